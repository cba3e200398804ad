/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A medium's own checksums: they say, before anything is written, whether the source is complete and undamaged. That is
 * **integrity, not authenticity**: whoever changes a medium can change its checksums too.
 *
 *	r = sums_read(s, &sums, e);
 *	progress_begin(p, "check", sums_bytes(sums, NULL, NULL));
 *	r = sums_check(sums, NULL, NULL, p, e);
 *
 * or one file at a time, while it is read for other reasons (a digest of what sums_for() says; where it does not fit,
 * sums_check_node() has the last word).
 *
 * Lists in the tree, named without regard to case: md5sum.txt, MD5SUMS, md5sums.txt and the like of MD5, SHA-1, SHA-2
 * and BLAKE2b (casper, live-build, debian-cd, KNOPPIX, grml, Porteus), isoroot_checksums and isoroot_b2sums (Gentoo),
 * CHECKSUMS (SUSE), CHECKSUMS.md5 (Slackware), and what ends in .md5, .sha512 and so on, .txt behind it or not
 * (antiX' linuxfs.md5, archiso's airootfs.sha512, Manjaro's rootfs.md5, Tiny Core's NAME.tcz.md5.txt). A line is as
 * coreutils write them or the BSDs do, with their escapes; others say nothing. Paths count from the list's directory,
 * its parent or the root, whichever has most of its files (KNOPPIX/sha1sums counts from the root, archiso's from where
 * it is). A path that leads out of the tree is left out.
 *
 * Some files differ on a good medium, and nothing is said of them: the lists (most name themselves, half written), the
 * El Torito catalogue and the images it names but those for UEFI (mkisofs puts a boot info table into them after the
 * lists were made; live-build and KNOPPIX leave them out, grml and many remastered media do not).
 *
 * A file may be in several lists. It is undamaged when one of its sums fits: those who remaster media often make one
 * list anew and forget the other.
 *
 * A listed file that is not there is a warning: Slackware's lists are of the whole archive, and those of Debian count
 * files behind symlinks, which not every source has. What is needed for the stick is missed by those who plan it. A
 * list of which not one file in ten is there is about something else (an archive, what is inside a system image) and
 * is not used.
 *
 * The sum of a whole image: rhinstaller's isomd5sum (Fedora and its kin, and kiwi) and SUSE's tagmedia put it into the
 * application use field of the primary volume descriptor. It covers everything, so no list is needed beside it. On a
 * stick it may be wrong because something else rewrote the partition table.
 */
#ifndef LIVESTICK_SOURCE_SUMS_H
#define LIVESTICK_SOURCE_SUMS_H

#include "src/base/digest.h"
#include "src/base/progress.h"
#include "src/source/source.h"

#define SUMS_LIST_MAX     (64 * MIB) /* of all lists together; what is beyond is not read, with a warning */
#define SUMS_MAX          400000     /* checksums in all lists, the same */
#define SUMS_PER_FILE_MAX 8          /* different ones; the weakest are dropped */
#define SUMS_WARNINGS_MAX 20

/* What one list says of a file. */
struct sum {
	const struct node *node;
	enum digest_kind kind;
	u8 digest[DIGEST_SIZE_MAX];
	const struct node *list;
	size_t order;             /* of reading */
	const struct sum *weaker; /* what else is said of the same file; NULL: nothing */
};

struct sums_list {
	const struct node *node;
	size_t n_listed, n_there; /* files, without those that may differ */
	bool is_used;
	char *missing; /* the first that is not there, as listed; else NULL */
};

/* The implanted sum: of the first `size` bytes of the image, some of them blanked, and `n_zeros` zeros. */
struct sums_image {
	bool is_there;
	bool is_suse;
	enum digest_kind kind;
	u8 digest[DIGEST_SIZE_MAX];
	u64 size, n_zeros;
	u64 signature; /* byte of the block whose contents are blanked; 0: none */
};

struct sums {
	struct source *source;   /* borrowed: must live as long */
	struct sums_list *lists; /* in order of their paths */
	size_t n_lists, cap_lists;
	struct sum *sum; /* by node, the strongest first */
	size_t n_sums, cap_sums;
	struct sums_image image;
	char **warnings; /* oddities that do no harm; as they are, not escaped */
	size_t n_warnings, cap_warnings;
};

/*
 * Finds and reads everything that there is; nothing is no failure (then n_sums is 0 and image.is_there false). What
 * cannot be understood is a warning. Fails only when a list cannot be read from the source, classed EXIT_SOURCE, or
 * with -EINTR.
 */
MUST_CHECK int sums_read(struct source *s, struct sums **ret, struct err *e);
void sums_free(struct sums *sums);

/* The strongest that is said of a file; NULL: nothing. */
const struct sum *sums_for(const struct sums *sums, const struct node *n);

/*
 * Reads the source and compares: the whole image if there is a sum of it, else each file that has one and is `wanted`
 * (NULL: all). -EBADMSG: something is damaged; the sentence names the first such file, the list that says so, and how
 * many there are. Other failures are those of reading, and -EINTR (`interrupted`, looked at each MiB).
 */
MUST_CHECK int sums_check(struct sums *sums, bool (*wanted)(void *ctx, const struct node *n), void *ctx,
                          struct progress *progress, struct err *e);
/* How many bytes sums_check() reads of an undamaged source: what it adds to `progress`. */
u64 sums_bytes(const struct sums *sums, bool (*wanted)(void *ctx, const struct node *n), void *ctx);

/* The two halves of sums_check(). 0 for what has no sum. May add a warning: not from two threads at once. */
MUST_CHECK int sums_check_node(struct sums *sums, const struct node *n, struct progress *progress, struct err *e);
MUST_CHECK int sums_check_image(struct sums *sums, struct progress *progress, struct err *e);

static inline void sums_freep(struct sums **sums)
{
	sums_free(*sums);
}

#define AUTO_SUMS CLEANUP(sums_freep)

#endif
