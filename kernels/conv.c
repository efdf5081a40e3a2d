/* conv.c - convolution and linear layers: which of the two ways to compute one.
 *
 *     winograd.c   3x3 convolutions with enough channels: fewer multiplications
 *     gemm.c       everything else: one matrix product
 *
 * Both give the same numbers up to rounding.  Both count as the operations of the convolution as it is written.
 * plain.c: conv() says the same in plain loops. */
#include "gemm.h"
#include "winograd.h"

void conv(Machine *m, Tensor y, Tensor x, const Weight *w, const Weight *bias, Conv how)
{
    size_t before = mark(m->mem);
    int side = w->rank == 4 ? (int)w->shape[2] : 1;
    float *b = upcast_vector(m, bias, (size_t)y.c);
    m->ops += 2.0 * (double)size(y) * side * side * (double)x.c;
    if (winograd_fits(y, x, w, how)) winograd(m, y, x, w, b, how);
    else gemm_conv(m, y, x, w, b, how);
    release(m->mem, before);
}
