# make            the program            make test    all tests (a C compiler only)
# make bench      how fast it is here    make asan    the tests again under ASan and UBSan
# make faults     training while each call of the system fails, one after the other: a quarter of an hour
# make golden     goldens anew, by PyTorch (tests/golden.py says which packages; SD_SCRIPTS: a checkout of kohya-ss/sd-scripts)
# make lib        libpersona.a and libpersona.so, for other programs; their header is persona.h
# make PLAIN=1    the program with kernels/plain.c, for any C11 compiler; with `test`, its tests (CC=tcc: by that compiler)
CC      ?= cc
CFLAGS  ?= -O2
WARN     = -Wall -Wextra -Wshadow -Wconversion -Wno-missing-field-initializers      # a field left out is zero, and meant to be
OPENMP  := $(shell echo 'int main(void){return 0;}' | $(CC) -fopenmp -x c - -o /dev/null 2>/dev/null && echo -fopenmp)
# the kernels alone are tuned to this machine, whatever CFLAGS are; NATIVE= makes a program for other machines too
# -std=c11 alone turns contraction to fused multiply-adds off, which halves their speed
KERNELS  = machine conv winograd gemm pack attention norm elementwise merge backward
NATIVE  := $(shell echo 'int main(void){return 0;}' | $(CC) -march=native -x c - -o /dev/null 2>/dev/null && echo -march=native)
TUNED    = -O3 $(NATIVE) -ffp-contract=fast
# what depends on which header, for compilers that tell
DEPS    := $(shell echo 'int main(void){return 0;}' | $(CC) -MMD -MP -MF /dev/null -c -x c - -o /dev/null 2>/dev/null && echo -MMD -MP)

# the root is the algorithm, named here so that a program of your own may lie beside it; each folder holds what its name says
ROOT     = clip ddim denoise generate gif lora motion nn objective persona sampler tape tensor text train trainable unet vae
# file names are unique, so objects lie side by side
FOLDERS  = base kernels weight_formats adapters image_formats prompt drawing training command_line library
FIND     = -I. $(FOLDERS:%=-I%)
vpath %.c $(FOLDERS)

ROOMS   = $(filter-out persona $(LEFT_OUT),$(basename $(notdir $(SOURCES))))
TESTS   = $(basename $(notdir $(wildcard tests/test_*.c)))

# plain.c has the same functions as the kernels: a program has the one or the others, each in a build folder of its own
ifdef PLAIN
B       ?= build/plain-$(notdir $(firstword $(CC)))
OPENMP   =
LEFT_OUT = $(KERNELS)
else
B       ?= build
LEFT_OUT = plain
endif

# when a source has come, gone or moved, the build folder still knows its old place: it is made anew
SOURCES := $(sort $(ROOT:%=%.c) $(wildcard $(FOLDERS:%=%/*.c)))
ifneq ($(SOURCES),$(shell cat $(B)/sources 2>/dev/null))
$(shell mkdir -p $(B) && rm -f $(B)/*.o $(B)/*.d && echo '$(SOURCES)' > $(B)/sources)
endif

# ./persona is always the program that was made last, whatever its build folder
persona: $(B)/persona
	@ln -f $< $@
$(B)/persona: $(ROOMS:%=$(B)/%.o) $(B)/persona.o
	$(CC) $(CFLAGS) $(OPENMP) $^ -lm -o $@

$(B)/%.o: %.c
	@mkdir -p $(B)
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(MORE) $(OPENMP) $(DEPS) -c $< -o $@
$(KERNELS:%=$(B)/%.o): MORE = $(TUNED)
$(B)/plain.o: MORE = -O3 $(NATIVE)
$(B)/hash_weights.o: tests/hash_weights.c
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(DEPS) -c $< -o $@
$(B)/test_%: tests/test_%.c $(ROOMS:%=$(B)/%.o) $(B)/hash_weights.o
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(OPENMP) $(DEPS) $< $(filter %.o,$^) -lm -o $@

test: persona $(TESTS:%=$(B)/%)
	@sh tests/run.sh $(B)

# what reads files and words, under the sanitizers; the models' arithmetic is slow there and has its own tests
ASAN = $(filter-out test_golden test_kernel,$(TESTS))
asan:
	@$(MAKE) -s B=$(B)/asan OPENMP= TUNED= CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" $(ASAN:%=$(B)/asan/%)
	@for t in $(ASAN); do $(B)/asan/$$t || exit 1; done

faults: persona
	sh tests/test_faults.sh all

$(B)/bench: tests/bench.c $(ROOMS:%=$(B)/%.o)
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(TUNED) $(OPENMP) $(DEPS) $< $(filter %.o,$^) -lm -o $@
bench: $(B)/bench
	$(B)/bench $(if $(ROWS),"$(ROWS)")

$(B)/corpora_pictures: tests/corpora_pictures.c $(ROOMS:%=$(B)/%.o)
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(OPENMP) $(DEPS) $< $(filter %.o,$^) -lm -o $@

golden:
	for g in tests/golden*.py; do [ $$g = tests/golden_full.py ] || python3 $$g || exit 1; done
golden-full: persona
	python3 tests/golden_full.py $(or $(WORK),$(B)/full)

# all objects become one, in which only the names of persona.h stay global: a host may have a copy() of its own
lib:
	@$(MAKE) -s B=$(B)/lib CFLAGS="$(CFLAGS) -fPIC -fvisibility=hidden" $(B)/lib/libpersona.o
	@rm -f libpersona.a && ar rcs libpersona.a $(B)/lib/libpersona.o
	-@$(CC) -shared $(OPENMP) $(ROOMS:%=$(B)/lib/%.o) -lm -o libpersona.so || echo "this compiler makes no libpersona.so"
$(B)/libpersona.o: $(ROOMS:%=$(B)/%.o)
	$(CC) -r -nostdlib $^ -o $@
	if command -v objcopy >/dev/null; then objcopy -w --keep-global-symbol='persona_*' $@; fi      # macOS: -r does it

# every file of the library side by side, to be copied into another program
flat:
	@mkdir -p $(B)/flat && cp $(filter-out persona.c,$(SOURCES)) $(wildcard *.h $(FOLDERS:%=%/*.h)) $(B)/flat && rm -f $(LEFT_OUT:%=$(B)/flat/%.c)

clean:
	rm -rf build persona libpersona.a libpersona.so

-include $(wildcard $(B)/*.d)
.PHONY: persona persona lib flat test asan faults bench golden golden-full clean
