#!/bin/sh
# commands.sh FILE - prints the commands of a document, in order: the lines of its ```sh blocks, and of README.md also what
# stands between `backticks`, begins with ./persona or make, and has no words in CAPITALS to be replaced.
awk -v inline="$(case $1 in */README.md | README.md) echo 1 ;; esac)" '
    /^```sh$/ { block = 1; next }
    /^```/    { if (block) block = 0; else other = !other; next }
    block     { sub(/ +# .*/, ""); if ($0 != "") print; next }
    other || !inline { next }
    {
        rest = $0
        while (match(rest, /`(\.\/persona|make)( [^`]*)?`/)) {
            command = substr(rest, RSTART + 1, RLENGTH - 2)
            if (command !~ / [A-Z_]+( |$)/ && command ~ / /) print command
            rest = substr(rest, RSTART + RLENGTH)
        }
    }' "$1"
