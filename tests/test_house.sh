#!/bin/sh
# test_house.sh - includes and calls run one way.
#
#   - Folders: each folder's README.md says in a line "May include: ..." which folders and which headers of the root its
#     files may include.  They include nothing else, and these lines make no circle.
#   - Files: includes make no circle, and calls neither.  A room is a .c and its .h, or one of them alone.
#   - Names of files are unique, so includes can be bare and any set of files can be copied into one folder.
#
# Everything is read from the source with awk.  "sh tests/test_house.sh ROOT" looks at another tree.
cd "${1:-.}" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
check() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "test_house: $2"; fi; }

sources=$(ls ./*.[ch] ./*/*.[ch] | grep -v '^./tests/\|^./build' | sed 's|^\./||')
folders=$(printf '%s\n' $sources | sed -n 's|/.*||p' | sort -u)

# ---- names
doubles=$(printf '%s\n' $sources | sed 's|.*/||' | sort | uniq -d)
[ -z "$doubles" ]; check $? "two files have one name: $doubles"
system=$(printf '%s\n' $sources | sed 's|.*/||' | grep -x 'windows.h\|time.h\|signal.h\|io.h\|string.h\|math.h\|process.h')
[ -z "$system" ]; check $? "a header has the name of a system's: $system"

# ---- which room includes which: "FILE HEADER'S-FILE"
for f in $sources; do
    sed -n 's/^#include "\([a-z0-9_]*\.h\)".*/\1/p' "$f" | while read -r header; do
        target=$(printf '%s\n' $sources | grep "^$header\$\|/$header\$")
        echo "$f ${target:-?$header}"
    done
done > "$work/includes"
missing=$(grep '?' "$work/includes"); [ -z "$missing" ]; check $? "included and not there: $missing"

# ---- folders
for folder in $folders; do
    sed -n 's/^May include: //p' "$folder/README.md" 2>/dev/null | tr -d '`' | sed 's/\.$//' | tr ',' '\n' | sed 's/^ *//; s/ *$//' > "$work/allowed"
    [ -s "$work/allowed" ]; check $? "$folder/README.md has no line \"May include: ...\""
    grep "^$folder/" "$work/includes" | while read -r file target; do
        case $target in
        "$folder"/*) continue ;;
        */*)         grep -qx "${target%%/*}" "$work/allowed" || echo "$file includes $target" ;;
        *)           grep -qx "$target" "$work/allowed" || echo "$file includes $target" ;;
        esac
    done > "$work/wrong"
    [ ! -s "$work/wrong" ]; check $? "against $folder/README.md: $(cat "$work/wrong")"
    while read -r entry; do
        case $entry in *.h) ;; ?*) echo "$folder $entry" >> "$work/folders" ;; esac
        [ -e "$entry" ]; check $? "$folder/README.md names $entry, which is not there"
        case $entry in
        *.h) grep -q "^$folder/[^ ]* $entry\$" "$work/includes" ;;
        *)   grep -q "^$folder/[^ ]* $entry/" "$work/includes" ;;
        esac
        check $? "$folder/README.md names $entry, which no file there includes"
    done < "$work/allowed"
done
tsort "$work/folders" > /dev/null 2> "$work/circle"; check $? "folders include in a circle: $(head -12 "$work/circle" | tr "\n" " ")"

# ---- the map of all files
sh tests/source_map.sh > "$work/map"
cmp -s "$work/map" docs/map.md; check $? "docs/map.md is not what tests/source_map.sh prints: $(diff "$work/map" docs/map.md | head -5)"

# ---- files: includes
# persona.h, the header of the library, is another room than persona.c, the program
room() { sed 's|persona\.h|persona_h.h|g; s|\.[ch] | |; s|\.[ch]$||; s|[^ ]*/||g' "$1" | awk '$1 != $2' | sort -u; }
room "$work/includes" > "$work/rooms"
tsort "$work/rooms" > /dev/null 2> "$work/circle"; check $? "files include in a circle: $(head -12 "$work/circle" | tr "\n" " ")"

# ---- files: calls.  Comments and strings are taken out; a function's definition begins in the first column.
# plain.c defines what the other kernels define, and is linked instead of them.
# shellcheck disable=SC2086
awk '
function code(line,    out, i, c, q) {
    out = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (comment) { if (c == "*" && substr(line, i + 1, 1) == "/") { comment = 0; i++ } continue }
        if (q) { if (c == "\\") i++; else if (c == q) q = ""; continue }
        if (c == "/" && substr(line, i + 1, 1) == "*") { comment = 1; i++; continue }
        if (c == "\"" || c == "\047") { q = c; continue }
        out = out c
    }
    return out
}
FNR == 1 { comment = 0; file = FILENAME; sub(/.*\//, "", file); sub(/\.[ch]$/, "", file); header = FILENAME ~ /\.h$/ }
{
    line = code($0)
    if (line ~ /^[A-Za-z_]/ && line !~ /^(typedef|struct|enum|union|extern|return)/ && match(line, /[A-Za-z_][A-Za-z0-9_]* *\(/)) {
        name = substr(line, RSTART, RLENGTH); sub(/ *\($/, "", name)
        local = line ~ /^static/ || header
        if (line !~ /;[ ]*$/ || line ~ /\{/) { if (local) own[file, name] = 1; else if (!(name in home)) home[name] = file; else if (home[name] != file) print "!", name, home[name], file }
    }
    rest = " " line
    while (match(rest, /[^A-Za-z0-9_][A-Za-z_][A-Za-z0-9_]*\(/)) {
        before = substr(rest, RSTART, 1)
        name = substr(rest, RSTART + 1, RLENGTH - 2)
        if (before != "." && before != ">") used[file, name] = 1
        rest = substr(rest, RSTART + RLENGTH - 1)
    }
}
END { for (k in used) { split(k, p, SUBSEP); if ((p[2] in home) && home[p[2]] != p[1] && !((p[1], p[2]) in own)) print p[1], home[p[2]], p[2] } }
' $(printf '%s\n' $sources | grep -v '^kernels/plain.c$') > "$work/calls"
doubles=$(grep '^!' "$work/calls"); [ -z "$doubles" ]; check $? "two files define one function: $doubles"
grep -v '^!' "$work/calls" | cut -d' ' -f1,2 | sort -u > "$work/order"
[ "$(wc -l < "$work/order")" -gt 50 ]; check $? "hardly any calls were found: the reading of the source is broken"
tsort "$work/order" > /dev/null 2> "$work/circle"
check $? "files call in a circle: $(head -12 "$work/circle" | tr "\n" " ")"

# ---- lines
awk 'length > 120 { print FILENAME ":" FNR }' $sources > "$work/long"
[ ! -s "$work/long" ]; check $? "lines of more than 120 columns: $(head -5 "$work/long" | tr "\n" " ")"

echo "test_house: $passed passed, $failed failed"
[ $failed = 0 ]
