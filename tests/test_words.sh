#!/bin/sh
# test_words.sh - one grep for the field's word lands on its definition.
#
# tests/words.txt lists words of the papers, of PyTorch, diffusers and kohya, each with a file and what is defined there.
# The word must stand in the line of the definition or in the comment right above it; where no definition is named, in the
# head comment of the file.  Case does not count, and "-", "_" and a space are the same: classifier-free guidance is found
# as classifier_free_guidance.
passed=0 failed=0
check() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "test_words: $2"; fi; }

words=$(grep -v '^#' tests/words.txt)
[ "$(printf '%s\n' "$words" | wc -l)" -ge 40 ]; check $? "tests/words.txt has fewer than forty words"
while IFS='|' read -r word file definition; do
    word=$(echo "$word" | sed 's/^ *//; s/ *$//')
    file=$(echo "$file" | tr -d ' ')
    definition=$(echo "$definition" | tr -d ' ')
    [ -f "$file" ]; check $? "$word: there is no $file" || continue
    awk -v word="$word" -v definition="$definition" '
        function plain(s) { s = tolower(s); gsub(/[-_]/, " ", s); return s }
        function has(s) { return index(plain(s), plain(word)) > 0 }
        # comment: the text of the comment that ended in the line before; head: that of the first one
        /^ *\/\*/ && !open { comment = ""; open = 1; above = 1 }
        open { comment = comment "\n" $0; if (/\*\//) { open = 0; ended = NR; if (!head) head = comment } next_is_code = 0 }
        !open && definition && $0 ~ ("(^|[^a-zA-Z0-9_])" definition "([^a-zA-Z0-9_]|$)") && (/^[A-Za-z#}]/ || $0 ~ ("^    [A-Za-z_ *]*" definition ";")) {
            if (has($0) || (ended >= NR - 1 && has(comment))) { found = 1; exit }
            # declarations that belong to one comment stand right below each other
            if (block && has(block)) { found = 1; exit }
        }
        !open && ended == NR - 1 { block = comment }
        /^ *$/ { block = "" }
        END { if (!definition) found = has(head); exit !found }
    ' "$file"
    check $? "$word: $file does not have it at ${definition:-its head}"
    spelled=$(echo "$word" | sed 's/[-_ ]/[-_ ]/g')
    grep -qi -- "$spelled" "$file"; check $? "$word: grep does not find it in $file"
done <<END
$words
END
echo "test_words: $passed passed, $failed failed"
[ $failed = 0 ]
