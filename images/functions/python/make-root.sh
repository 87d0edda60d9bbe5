#!/usr/bin/env bash
# Makes the folder ROOT with this system's CPython 3: its library, and the shared libraries it needs.
set -euo pipefail
folder=$1
version=$(basename "$(readlink -f /usr/bin/python3)")
mkdir -p "$folder"/usr/{bin,lib,lib64} "$folder"/{etc,tmp,dev,proc}
for name in bin lib lib64; do
	ln -s "usr/$name" "$folder/$name"
done
cp -a "/usr/bin/$version" "$folder/usr/bin/"
ln -s "$version" "$folder/usr/bin/python3"
cp -a "/usr/lib/$version" "$folder/usr/lib/"
rm -rf "$folder/usr/lib/$version"/{test,config-*,idlelib,ensurepip}
for module in "$(dirname "$(readlink -f "$(command -v mote)")")"/../{lib/mote/python,images/python}/mote.py; do
	[ ! -e "$module" ] || cp "$module" "$folder/usr/lib/$version/"
done
[ ! -d "/etc/$version" ] || cp -a "/etc/$version" "$folder/etc/"
{ ldd "/usr/bin/$version" && find "/usr/lib/$version/lib-dynload" -name '*.so' -exec ldd {} +; } |
	sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' -e 's/^\t\(\/[^ ]*\) .*/\1/p' | sort -u |
	while read -r library; do
		mkdir -p "$folder$(readlink -f "$(dirname "$library")")"
		cp -L "$library" "$folder$(readlink -f "$(dirname "$library")")/"
	done
