# Source and image file on one file system that can share blocks, btrfs and XFS: on loop devices, as root.
# One thread.
. "$(dirname "$0")/lib.bash"

iso=$(small_iso) && two=$("$root/tests/iso/small.sh" 2 2>>"$tmp/.iso.log" | tail -n 1)
[ -s "$iso" ] && [ -s "$two" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

create() { "$LIVESTICK" create --yes --quiet --progress none --seed share "$@"; }
used() { sync -f "$1"; df --output=used -B1 "$1" | tail -n 1; }

# takes FILE COMMAND...: what that takes of the file system of FILE, in bytes
takes() {
    local file=$1 before
    before=$(used "$(dirname "$file")")
    shift
    "$@" >&2
    echo $(($(used "$(dirname "$file")") - before))
}

mounted() {     # FILE-SYSTEM
    mkdir -p "$tmp/$1"
    truncate -s 2G "$tmp/$1.fs"
    "mkfs.$1" -q "$tmp/$1.fs" && mount -o loop "$tmp/$1.fs" "$tmp/$1"
}

# Not left mounted when the suite ends early.
trap 'for fs in btrfs xfs; do umount "$tmp/$fs" 2>/dev/null; done; rm -rf "$tmp"' EXIT

# The small system with a large file, mostly hole: a BOOT of less than 256 MiB has clusters of less than 4 KiB.
tree() {
    rm -rf "$1"
    xorriso -report_about SORRY -osirrox on -indev "$iso" -extract / "$1" 2>/dev/null
    chmod -R u+rwX "$1"
    truncate -s 130M "$1/live/more.bin"
    head -c 3000000 /dev/urandom | dd of="$1/live/more.bin" bs=1M seek=50 conv=notrunc status=none
    sync -f "$1"
}

# As where nothing is shared.
same_bytes() {  # IMAGE OPTION... SOURCE
    local image=$1
    shift
    rm -f other.img
    create --size 1G "$@" other.img
    cmp "$image" other.img
    [ "$(du -B1 other.img | cut -f 1)" -lt 120000000 ]
}

# The same bytes as where nothing is shared, and next to no room; the kernel tells of blocks in common.
shared() {      # DIRECTORY fat32|ext4
    local bytes source
    tree "$1/tree"
    source=$(du -s -B1 "$1/tree" | cut -f 1)
    bytes=$(takes "$1/stick.img" create --boot-fs "$2" --size 1G "$1/tree" "$1/stick.img")
    echo "$bytes bytes for a source of $source"
    [ "$bytes" -lt $((source / 4)) ]
    filefrag -v "$1/stick.img" | grep -q shared
    same_bytes "$1/stick.img" --boot-fs "$2" "$1/tree"
    judge "$1/stick.img" "$2" "$([ "$2" = fat32 ] && echo 1 || echo 2)"
}

shared_and_removed() {
    shared "$@"
    rm -r "$1/tree" "$1/stick.img"
}

# What becomes of the stick is no matter of the source, nor the other way round.
independent() {
    local sums
    shared "$1" fat32
    sums=$(cd "$1/tree" && find . -type f -exec sha256sum {} +)
    "$LIVESTICK" upgrade --quiet --progress none "$two" "$1/stick.img"
    [ "$sums" = "$(cd "$1/tree" && find . -type f -exec sha256sum {} +)" ]
    find "$1/tree" -type f -exec sh -c 'tr "\0-\377" "\1-\377\0" <"$0" >turned && dd if=turned of="$0" bs=1M conv=notrunc status=none' {} \;
    [ "$sums" != "$(cd "$1/tree" && find . -type f -exec sha256sum {} +)" ]
    judge "$1/stick.img" fat32 1
    rm -r "$1/tree" "$1/stick.img"
}

# In an ISO a file begins at any 2 KiB: some can be shared, some cannot.
image() {
    cp "$iso" "$1/live.iso"
    create --size 1G "$1/live.iso" "$1/stick.img"
    same_bytes "$1/stick.img" "$1/live.iso"
    rm "$1/live.iso" "$1/stick.img"
}

# Files that may not be shared with others: the kernel says EINVAL.
not_copied_on_write() {
    mkdir "$1/tree" && chattr +C "$1/tree"
    tree "$1/plain"
    cp -r "$1/plain/." "$1/tree"
    create --size 1G "$1/tree" "$1/stick.img"
    ! filefrag -v "$1/stick.img" | grep -q shared
    judge "$1/stick.img" fat32 1
    rm -r "$1/tree" "$1/plain" "$1/stick.img"
}

for fs in btrfs xfs; do
    if [ "$(id -u)" -ne 0 ] || ! mounted $fs >"$tmp/.log" 2>&1; then
        skip $fs "needs root, loop devices, mkfs.$fs and a kernel with $fs: $(tail -n 1 "$tmp/.log" 2>/dev/null)"
        continue
    fi
    [ $fs = xfs ] || check $fs-ext4 shared_and_removed "$tmp/$fs" ext4
    check $fs-fat32-independent independent "$tmp/$fs"
    check $fs-iso image "$tmp/$fs"
    [ $fs = xfs ] || check $fs-not-copied-on-write not_copied_on_write "$tmp/$fs"
    umount "$tmp/$fs" && rm "$tmp/$fs.fs"
done
finish
