# make            the program            make test    all tests (a C compiler only)
# make bench      how fast it is here    make asan    the tests again under ASan and UBSan
# make golden     goldens anew, by PyTorch (tests/golden.py says which packages)
CC      ?= cc
CFLAGS  ?= -O2
WARN     = -Wall -Wextra -Wshadow -Wconversion -Wno-missing-field-initializers      # a field left out is zero, and meant to be
OPENMP  := $(shell echo 'int main(void){return 0;}' | $(CC) -fopenmp -x c - -o /dev/null 2>/dev/null && echo -fopenmp)
# the kernels alone are tuned to this machine, whatever CFLAGS are (NATIVE= makes a program for others too); -std=c11 turns the contraction to fused multiply-add off, which halves their speed
KERNELS  = gemm winograd attention norm merge backward
NATIVE  := $(shell echo 'int main(void){return 0;}' | $(CC) -march=native -x c - -o /dev/null 2>/dev/null && echo -march=native)
TUNED    = -O3 $(NATIVE) -ffp-contract=fast

# the root is the algorithm; each folder holds what its name says.  Names are unique, so includes are bare and objects lie side by side
FOLDERS  = base kernels weight_formats image_formats prompt drawing training command_line
FIND     = -I. $(FOLDERS:%=-I%)
vpath %.c $(FOLDERS)

ROOMS   = $(basename $(notdir $(filter-out persona.c,$(wildcard *.c $(FOLDERS:%=%/*.c)))))
TESTS   = $(basename $(notdir $(wildcard tests/test_*.c)))
B      ?= build

persona: $(ROOMS:%=$(B)/%.o) $(B)/persona.o
	$(CC) $(CFLAGS) $(OPENMP) $^ -lm -o $@

$(B)/%.o: %.c
	@mkdir -p $(B)
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(MORE) $(OPENMP) -MMD -MP -c $< -o $@
$(KERNELS:%=$(B)/%.o): MORE = $(TUNED)
$(B)/hash_weights.o: tests/hash_weights.c
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/test_%: tests/test_%.c $(ROOMS:%=$(B)/%.o) $(B)/hash_weights.o
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(OPENMP) -MMD -MP $(filter %.c %.o,$^) -lm -o $@

test: persona $(TESTS:%=$(B)/%)
	@sh tests/run.sh $(B)

# what reads files and words, under the sanitizers; the models' arithmetic is slow there and has its own tests
ASAN = $(filter-out test_golden test_kernel,$(TESTS))
asan:
	@$(MAKE) -s B=$(B)/asan OPENMP= TUNED= CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" $(ASAN:%=$(B)/asan/%)
	@for t in $(ASAN); do $(B)/asan/$$t || exit 1; done

$(B)/bench: tests/bench.c $(ROOMS:%=$(B)/%.o)
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(TUNED) $(OPENMP) -MMD -MP $(filter %.c %.o,$^) -lm -o $@
bench: $(B)/bench
	$(B)/bench $(if $(ROWS),"$(ROWS)")

$(B)/corpora_pictures: tests/corpora_pictures.c $(ROOMS:%=$(B)/%.o)
	$(CC) -std=c11 $(FIND) $(WARN) $(CFLAGS) $(OPENMP) -MMD -MP $(filter %.c %.o,$^) -lm -o $@

golden:
	for g in tests/golden*.py; do [ $$g = tests/golden_full.py ] || python3 $$g || exit 1; done
golden-full: persona
	python3 tests/golden_full.py $(or $(WORK),$(B)/full)

clean:
	rm -rf build persona

-include $(wildcard $(B)/*.d)
.PHONY: test asan bench golden golden-full clean
