#!/bin/sh
# newcomer.sh - types every command of the documents, in order, on an empty machine: a Debian with a compiler and make, and nothing else.
#
#     debootstrap --variant=minbase --include=gcc,libc6-dev,make stable EMPTY
#     sh tests/newcomer.sh EMPTY                                    all documents
#     sh tests/newcomer.sh EMPTY README.md examples/README.md      these
#
# What is committed is copied to EMPTY/root/persona, and each command must end with status 0.  Of one that draws or trains the
# file must be there that it names.  It takes root, for chroot, and an hour or two on two cores.  `make test`, and make bench, are left to those who want them.
empty=${1:?the folder of an empty machine} && shift
[ $# != 0 ] || set -- README.md examples/README.md docs/*.md CONTRIBUTING.md
[ -d "$empty/usr" ] || { echo "newcomer: $empty holds no system; see the head of this script" >&2; exit 2; }
home=$empty/root/persona
passed=0 failed=0

rm -rf "$home" && mkdir -p "$home" && git archive HEAD | tar -x -C "$home" || exit 1
typed() { chroot "$empty" /bin/sh -c "cd /root/persona && $1" >"$empty/root/out" 2>"$empty/root/err" </dev/null; }
wrong() { failed=$((failed + 1)); echo "newcomer: $*"; tail -12 "$empty/root/err" | sed 's/^/    /'; }
typed 'make -s' || { wrong make; exit 1; }

for document; do
    # the program of a document, which its commands build
    awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$document" >"$home/your.c"
    grep -q '^int main' "$home/your.c" || rm "$home/your.c"
    sh tests/commands.sh "$document" >"$empty/root/commands"
    while read -r line; do
        case $line in
            *'make test'* | *'make bench'*) continue ;;
            'make PLAIN=1')                 line='make PLAIN=1 && make' ;;          # ./persona is the program made last
        esac
        began=$(date +%s)
        if ! typed "$line"; then wrong "$document: $line: status $?"; continue; fi
        case $line in
            *check* | *info* | *list* | *--help* | *--version*) ;;
            './persona '*) made=$(tail -1 "$empty/root/out"); [ -s "$home/$made" ] || { wrong "$document: $line: no file $made"; continue; } ;;
        esac
        passed=$((passed + 1))
        echo "$document: $line: $(($(date +%s) - began)) s"
    done <"$empty/root/commands"
done
echo "newcomer: $passed passed, $failed failed"
[ $failed = 0 ]
