#!/bin/sh
# test_docs.sh - the documentation says what is there.
#
#   - Quoted code: a ```c block of README.md or docs/*.md that begins with "/* FILE.c */" or "/* FILE.c, more */" quotes
#     that file.  Its lines stand there, in that order and one directly after the other, indentation aside.  A line
#     "..." stands for any number of lines that are left out.
#   - Files: every `file.c` and `file.h` that is named in backticks exists.
#   - Links: every relative link and every picture leads to a file.
#
# "sh tests/test_docs.sh ROOT" looks at another tree.
cd "${1:-.}" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
check() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "test_docs: $2"; fi; }

pages=$(ls README.md CONTRIBUTING.md docs/*.md ./*/README.md 2>/dev/null | sed 's|^\./||' | sort -u)
sources=$(ls ./*.[ch] ./*/*.[ch] | grep -v '^./build' | sed 's|^\./||')

# Where a file lies that is named with or without its folder.
path_of() { printf '%s\n' $sources | grep -x "$1\|[^/]*/$1" | head -1; }

# ---- quoted code: each block becomes a file of its own, FILE's name in the first line
for page in README.md docs/*.md; do
    awk -v out="$work/block" -v page="$page" '
        /^```c$/ { inside = 1; name = ""; next }
        /^```/   { inside = 0; name = ""; next }
        inside == 1 {
            inside = 2
            if (match($0, /^\/\* [A-Za-z0-9_\/]*\.[ch](,.*)? \*\/$/)) {
                file = $2; sub(/,$/, "", file)
                name = sprintf("%s-%s-%d", out, page_name(), NR)
                print file > name
                print page ":" NR > name
            }
            next
        }
        inside && name != "" { print > name }
        function page_name(    p) { p = page; gsub(/\//, "_", p); return p }
    ' "$page"
done
for block in "$work"/block-*; do
    [ -f "$block" ] || continue
    file=$(path_of "$(head -1 "$block")")
    place=$(sed -n 2p "$block")
    [ -n "$file" ]; check $? "$place quotes $(head -1 "$block"), which is not there"
    [ -n "$file" ] || continue
    awk '
        function bare(s) { gsub(/^[ \t]+|[ \t\r]+$/, "", s); return s }
        FNR == NR { if (FNR > 2) want[++wants] = bare($0); next }
        { have[++haves] = bare($0) }
        # Do the lines of the quotation from w on stand in the file, the first of them at h?
        function run(w, h) { while (w <= wants && want[w] != "...") { if (h > haves || want[w] != have[h]) return 0; w++; h++ } return h }
        function longest(w,    h, n, most) {
            for (h = 1; h <= haves; h++) {
                for (n = 0; w + n <= wants && want[w + n] != "..." && want[w + n] == have[h + n]; n++) {}
                if (n > most) most = n
            }
            return most
        }
        END {
            at = 1
            w = 1
            if (!wants) { print "nothing is quoted"; exit }
            while (w <= wants) {
                if (want[w] == "...") { w++; continue }
                end = 0
                for (h = at; h <= haves && !end; h++) end = run(w, h)
                if (!end) { print "\"" want[w + longest(w)] "\""; exit }
                at = end
                while (w <= wants && want[w] != "...") w++
            }
        }' "$block" "$file" > "$work/wrong"
    [ ! -s "$work/wrong" ]; check $? "$place quotes $file, where this line does not stand (there): $(cat "$work/wrong")"
done
[ -n "$(ls "$work" | grep '^block')" ] || [ ! -f docs/evening.md ]; check $? "no quoted code was found: the reading of the pages is broken"

# ---- names of files, links and pictures.  Lines of code blocks are left out.
for page in $pages; do
    folder=$(dirname "$page")
    awk '/^ *```/ { inside = !inside; next } !inside' "$page" > "$work/text"
    grep -o '`[A-Za-z0-9_/.-]*\.[ch]`' "$work/text" | tr -d '`' | sort -u > "$work/names"
    while read -r name; do
        [ -e "$name" ] || [ -e "$folder/$name" ] || [ -n "$(path_of "$name")" ]
        check $? "$page names $name, which is not there"
    done < "$work/names"
    grep -o '](\([^()]*\))' "$work/text" | sed 's/^](//; s/)$//; s/ ".*//; s/#.*//' | grep -v '^[a-z]*:\|^$' | sort -u > "$work/links"
    while read -r link; do
        [ -e "$folder/$link" ]; check $? "$page links to $link, which is not there"
    done < "$work/links"
done

echo "test_docs: $passed passed, $failed failed"
[ $failed = 0 ]
