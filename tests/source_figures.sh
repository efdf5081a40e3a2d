#!/bin/sh
# Prints what the source looks like: functions and their lengths, the longest lines, files in each folder.
#     sh tests/source_figures.sh [ROOT]
# A function counts from the line of its name to its closing brace, both included.
cd "${1:-.}" || exit 1
sources=$(ls ./*.[ch] ./*/*.[ch] 2>/dev/null | grep -v '^./tests/\|^./build' | sed 's|^\./||')

echo "entries at the root: $(ls | wc -l), .c files there: $(ls ./*.c | wc -l)"
for folder in $(printf '%s\n' $sources | sed -n 's|/.*||p' | sort -u); do
    echo "$folder: $(ls "$folder"/*.c | wc -l) .c files, $(cat "$folder"/*.[ch] | wc -l) lines"
done

# shellcheck disable=SC2086
awk 'FNR == 1 { inside = 0 }
     /^[A-Za-z_].*\(.*\).*\{.*\}$/ && !/^(typedef|struct|enum|static const|#)/ { print 1, FILENAME, $0; next }
     /^[A-Za-z_].*\(/ && !/[;{]$/ && !/^(typedef|#)/ { start = FNR; name = $0 }
     /^\{/ && start { inside = 1 }
     /^\}/ && inside { print FNR - start + 1, FILENAME, name; inside = 0; start = 0 }' $sources | sort -n > "${TMPDIR:-/tmp}/functions.$$"
f=${TMPDIR:-/tmp}/functions.$$
n=$(wc -l < "$f")
echo "functions: $n, median $(sed -n "$(((n + 1) / 2))p" "$f" | cut -d' ' -f1) lines, longest:"
tail -5 "$f" | cut -c1-110 | sed 's/^/    /'
rm -f "$f"

# shellcheck disable=SC2086
awk '{ count++; sum += length($0); if (length($0) > 120) wide++; if (length($0) > longest) { longest = length($0); where = FILENAME ":" FNR } }
     END { printf "lines: %d, of more than 120 columns: %d, longest %d (%s)\n", count, wide, longest, where }' $sources
