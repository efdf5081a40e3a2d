#!/bin/sh
# corpora.sh FOLDER: what others made to break readers, by the verdicts that go with it.  Not part of make test.
#     FOLDER/zip     libzip's inconsistent archives: each refused
#     FOLDER/json    JSONTestSuite: y_ accepted, n_ refused; each as the value of an unknown field in a safetensors header
program=${PROGRAM:-./persona} folder=$1 failed=0
[ -d "$folder" ] || { echo "corpora.sh: no folder $folder"; exit 2; }
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

# verdict FILE -> accepted, refused or crashed; what was said is in $scratch/said
verdict()
{
    "$program" info "$1" > "$scratch/said" 2>&1
    case $? in 0) echo accepted ;; 1) echo refused ;; *) echo crashed ;; esac
}

# expect WANTED FILE NAME
expect()
{
    found=$(verdict "$2")
    [ "$found" = "$1" ] && return
    echo "$3: $found, expected $1: $(head -1 "$scratch/said" | cut -c1-200)"
    failed=$((failed + 1))
}

# as_header JSON FILE: 8 bytes of length, then the header
as_header()
{
    { printf '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":'; cat "$1"; printf '}}'; } > "$scratch/header"
    n=$(($(wc -c < "$scratch/header")))
    for i in 1 2 3 4 5 6 7 8; do
        printf "\\$(printf %03o $((n % 256)))"
        n=$((n / 256))
    done > "$2"
    cat "$scratch/header" >> "$2"
}

zips=0
for f in "$folder"/zip/*.zip; do
    cp "$f" "$scratch/zip.ckpt"
    expect refused "$scratch/zip.ckpt" "$f"
    zips=$((zips + 1))
done
yes=0 no=0 either=0
for f in "$folder"/json/*.json; do
    as_header "$f" "$scratch/json.safetensors"
    case $(basename "$f") in
    y_*) if grep -q '[^\\]\\u0000' "$f"; then wanted=refused; else wanted=accepted; fi       # a NUL in a text: our one stricter rule
         expect $wanted "$scratch/json.safetensors" "$f"; yes=$((yes + 1)) ;;
    n_*) expect refused "$scratch/json.safetensors" "$f"; no=$((no + 1)) ;;
    *)   [ "$(verdict "$scratch/json.safetensors")" = crashed ] && expect either "$scratch/json.safetensors" "$f"; either=$((either + 1)) ;;
    esac
done
echo "corpora: $zips zip archives, JSON $yes valid, $no invalid, $either either way; $failed verdicts wrong"
[ $failed = 0 ]
