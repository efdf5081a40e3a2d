# asking.sh - what scripts that run persona as its user does have in common: an empty folder to work in, that goes at the end, and words for
# what is expected.  To be read in (.) at the root of the source, with the script's name in $test.
persona=$PWD/persona
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
unset PERSONA_WEIGHTS; HOME=$dir/home XDG_CONFIG_HOME=$dir/home/.config; export HOME XDG_CONFIG_HOME       # what is set here must not count
passed=0 failed=0

ok()     { passed=$((passed + 1)); }
wrong()  { failed=$((failed + 1)); echo "$test: $*" >&2; sed 's/^/    /' err >&2; }
run()    { "$persona" "$@" >out 2>err; status=$?; }                             # stdout to out, stderr to err
holds()  { what=$1; shift; if "$@"; then ok; else wrong "$what"; fi; }          # holds "what" command...
says()   { if grep -qF -- "$1" err; then ok; else wrong "no \"$1\" in the message"; fi; }
same()   { cmp -s "$1" "$2"; }
absent() { for f; do [ ! -e "$f" ] || return 1; done; }
is()     { [ "$1" = "$2" ]; }

# safetensors FILE HEADER BYTES [OCTAL]: a file of this JSON header and so many bytes of data, each \OCTAL (\000)
safetensors() {
    length=$(printf %s "$2" | wc -c)
    { printf "\\$(printf %03o $((length % 256)))\\$(printf %03o $((length / 256)))\\0\\0\\0\\0\\0\\0%s" "$2"
      head -c "$3" /dev/zero | tr '\0' "\\${4:-000}"; } >"$1"
}
# spoiled FILE TENSOR COPY: a copy of a safetensors file, of F16, in which the tensor begins with torch's NaN
spoiled() {
    header=$(od -An -tu4 -N4 "$1" | tr -d ' ')
    offset=$(head -c $((header + 8)) "$1" | tail -c "$header" | grep -o "\"$2\":{[^}]*" | sed 's/.*offsets":\[//; s/,.*//')
    cp "$1" "$3"
    printf '\000\176' | dd of="$3" bs=1 seek=$((header + 8 + offset)) conv=notrunc 2>/dev/null
}
