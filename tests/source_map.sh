#!/bin/sh
# Prints docs/map.md: every file of the source with the first line of its head.   sh tests/source_map.sh > docs/map.md
about() {     # FILE: "| `file.c` | what its first line says |"
    sed -n '1s|^/\* *[a-z0-9_]*\.[ch] - *||; 1s| *\*/ *$||; 1s|  *See [a-z_]*\.h\.$||; 1s|[.:]$||; 1p' "$1" | sed "s#|#\\\\|#g; s#^#| \`$(basename "$1")\` | #; s#\$# |#"
}
cat <<'END'
# The map

All files, each with the first line of its head. `tests/source_map.sh` writes this page. Files include only what is lower in it, but for the
models of the root, which stand between the kernels and the prompts; `tests/test_house.sh` checks which folder may include which.
END
echo; echo "## The root: the algorithm"; echo
echo "| file | |"; echo "|---|---|"
for name in persona generate train denoise ddim sampler text clip unet motion vae lora objective trainable nn tape gif tensor; do about $name.c; done
about job.h
about persona.h
for folder in library command_line training drawing prompt adapters kernels weight_formats image_formats base; do
    echo; echo "## [$folder](../$folder/README.md)"; echo
    echo "| file | |"; echo "|---|---|"
    for f in "$folder"/*.c; do about "$f"; done
done
