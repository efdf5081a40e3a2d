#!/bin/sh
# test_examples.sh - what examples/ holds works as it stands: every command of its README, in order, as small as it can be made.  Grids, which
# are many pictures, are checked and not drawn.  Run from the root of the source.
test=test_examples; . tests/asking.sh

root=${persona%/*}
cp -r "$root/examples" . && ln -s "$root/weights" weights && ln -s "$persona" persona
find examples -type f ! -name '*.txt' ! -name '*.md' ! -path '*/yumin/*' -exec rm {} +
: >out; : >err
learning='--resolution 64 --max_train_steps 1 --num_class_images 1' drawing='--steps 1 --size 32x32 --frames 2'

awk '/^```sh/ { on = 1; next } /^```/ { on = 0 } on' examples/README.md >commands
while read -r line; do
    case $line in './persona '*) ;; *) eval "$line"; continue ;; esac
    command=$line more=
    case $line in './persona train '*) more=$learning ;; *) more=$drawing ;; esac
    case $line in
        *train*contest*) more="$more --model persona" ;;                                 # for the checkpoint that nobody has here
        *contest*)       more="$more --model persona --motion persona_motion" ;;
    esac
    grep -q ', X: ' "${line#./persona }" 2>/dev/null && command="./persona check ${line#./persona }"
    eval "$command $more --threads 1" >out 2>err
    status=$?
    holds "$line: status" is $status 0
    case $command in './persona check '*) says 'without check it draws' ;; *) holds "$line: a result" [ -s "$(tail -1 out)" ] ;; esac
    case $(cat err) in *ignored* | *'no effect'*) wrong "$line: something in it is of no use" ;; *) ok ;; esac
done <commands
holds 'all commands' [ "$(wc -l <commands)" -ge 10 ]

for f in examples/yumin/*.png; do holds "$f: its caption names her" grep -q '^portrait of yumin woman, ' "${f%.png}.txt"; done
for f in examples/*.txt; do holds "$f: a command draws it" grep -qx "./persona $f" commands; done

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
