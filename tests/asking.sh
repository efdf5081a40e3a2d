# asking.sh - what scripts that run persona as its user does have in common: an empty folder to work in, that goes at the end, and words for
# what is expected.  To be read in (.) at the root of the source, with the script's name in $test.
persona=$PWD/persona
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
passed=0 failed=0

ok()     { passed=$((passed + 1)); }
wrong()  { failed=$((failed + 1)); echo "$test: $*" >&2; sed 's/^/    /' err >&2; }
run()    { "$persona" "$@" >out 2>err; status=$?; }                             # stdout to out, stderr to err
holds()  { what=$1; shift; if "$@"; then ok; else wrong "$what"; fi; }          # holds "what" command...
says()   { if grep -qF -- "$1" err; then ok; else wrong "no \"$1\" in the message"; fi; }
same()   { cmp -s "$1" "$2"; }
absent() { for f; do [ ! -e "$f" ] || return 1; done; }
is()     { [ "$1" = "$2" ]; }
