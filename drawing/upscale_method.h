/* upscale_method.h - how a finished picture becomes larger. */
#ifndef UPSCALE_METHOD_H
#define UPSCALE_METHOD_H

typedef enum { NOT_UPSCALED, BY_NEAREST, BY_LANCZOS, BY_NETWORK } UpscaleMethod;

/* The method of this name, "None", "Nearest" or "Lanczos", whatever its case; NOT_UPSCALED for NULL.  Any other name is
 * that of a file, BY_NETWORK. */
UpscaleMethod upscale_method(const char *name);

/* "None", "Nearest", "Lanczos" or "a network" */
const char *upscale_method_name(UpscaleMethod method);

#endif
