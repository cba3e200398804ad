/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ISO 9660 (ECMA-119), with Rock Ridge, else Joliet, else the plain names as Linux shows them. An image is a file
 * that anybody may have made: each offset and length in it is checked before use, directories are read one after the
 * other and never twice.
 */
#include "src/source/iso.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Hard links are counted each time, and some media have most of their files twice. */
#define FILES_PER_IMAGE_MAX 4

enum {
	FIRST_DESCRIPTOR = 16, /* ECMA 6.2.1: the 16 blocks before belong to the boot loader */
	DESCRIPTORS_MAX = 64,

	ROOT_RECORD = 156, /* in a volume descriptor */
};

/* What is used of the volume descriptors (ECMA 8). */
struct descriptors {
	u8 primary[ISO_BLOCK], joliet[ISO_BLOCK];
	bool has_primary, has_joliet, has_udf;
	u32 catalogue;
};

/* ---- the image file */

int iso_read_at(struct iso *iso, u64 off, void *buf, size_t len, struct err *e)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(iso->fd, (u8 *)buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_source(e, -errno, "read at byte %llu: %s", (unsigned long long)(off + done),
			                   strerror(errno));
		if (n == 0)
			return fail_source(e, -ENODATA, "ends at byte %llu: it became shorter",
			                   (unsigned long long)(off + done));
		done += (size_t)n;
	}
	return 0;
}

int iso_read_meta(struct iso *iso, u64 off, void *buf, size_t len, struct err *e)
{
	iso->meta += MAX(len, ISO_BLOCK);
	if (iso->meta > ISO_META_MAX)
		return fail_source(e, -E2BIG, "the directories have more than %llu bytes", ISO_META_MAX);
	return iso_read_at(iso, off, buf, len, e);
}

static int read_node(struct source *s, const struct node *n, u64 off, void *buf, size_t len, struct err *e)
{
	struct iso *iso = (struct iso *)s;
	u8 *to = buf;

	for (size_t i = 0; i < n->n_extents && len; i++) {
		const struct extent *x = &n->extents[i];
		size_t piece;
		int r;

		if (off >= x->len) {
			off -= x->len;
			continue;
		}
		piece = (size_t)MIN(len, x->len - off);
		r = iso_read_at(iso, x->off + off, to, piece, e);
		if (r < 0)
			return r;
		to += piece;
		len -= piece;
		off = 0;
	}
	return 0;
}

static int place_node(struct source *s, const struct node *n, u64 off, struct input_place *ret)
{
	struct iso *iso = (struct iso *)s;
	size_t i = 0;

	while (i < n->n_extents && off >= n->extents[i].len)
		off -= n->extents[i++].len;
	if (i == n->n_extents)
		return -ENODATA;
	*ret = (struct input_place){ fcntl(iso->fd, F_DUPFD_CLOEXEC, 0), n->extents[i].off + off,
		                     n->extents[i].len - off };
	return ret->fd < 0 ? -errno : 0;
}

static int read_bytes(struct source *s, u64 off, void *buf, size_t len, struct err *e)
{
	return iso_read_at((struct iso *)s, off, buf, len, e);
}

static int stat_image(int fd, u64 *ret_size, struct timespec *ret_mtime, bool *ret_is_block, struct err *e)
{
	struct stat st;
	off_t end;

	if (fstat(fd, &st) < 0)
		return fail_source(e, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail_source(e, -EINVAL, "is not a file");
	end = S_ISBLK(st.st_mode) ? lseek(fd, 0, SEEK_END) : st.st_size;
	if (end < 0)
		return fail_source(e, -errno, "%s", strerror(errno));
	*ret_size = (u64)end;
	*ret_mtime = st.st_mtim;
	*ret_is_block = S_ISBLK(st.st_mode);
	return 0;
}

static int image_changed(struct source *s, struct err *e)
{
	struct iso *iso = (struct iso *)s;
	struct timespec mtime;
	bool is_block;
	u64 size;
	int r = stat_image(iso->fd, &size, &mtime, &is_block, e);

	if (r < 0)
		return r;
	/* The time of a device node says nothing about the medium. */
	if (size != s->size ||
	    (!is_block && (mtime.tv_sec != iso->mtime.tv_sec || mtime.tv_nsec != iso->mtime.tv_nsec)))
		return fail_source(e, -ESTALE, "was changed while it was in use");
	return 0;
}

static void free_iso(struct source *s)
{
	struct iso *iso = (struct iso *)s;

	close(iso->fd);
	free(iso);
}

static const struct source_ops iso_ops = {
	.read = read_node,
	.place = place_node,
	.read_image = read_bytes,
	.changed = image_changed,
	.free = free_iso,
};

int iso_cut_short(struct iso *iso, u64 needed, struct err *e)
{
	iso->needed = MAX(iso->needed, needed);
	return fail_source(e, -ENODATA, "is cut short: has %llu bytes, says it needs %llu",
	                   (unsigned long long)iso->source.size, (unsigned long long)iso->needed);
}

/* ---- volume descriptors */

/* ECMA-167 3/9.1: the descriptors of UDF stand in the same row, behind those of ISO 9660. */
static bool is_descriptor(const u8 *v)
{
	static const char ids[][6] = { "CD001", "BEA01", "NSR02", "NSR03", "TEA01", "BOOT2" };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (memcmp(v + 1, ids[i], 5) == 0)
			return true;
	return false;
}

static void take_descriptor(struct descriptors *d, const u8 *v)
{
	static const char el_torito[] = "EL TORITO SPECIFICATION";

	if (memcmp(v + 1, "NSR0", 4) == 0)
		d->has_udf = true;
	if (memcmp(v + 1, "CD001", 5) != 0)
		return;
	if (v[0] == 1 && !d->has_primary) {
		memcpy(d->primary, v, ISO_BLOCK);
		d->has_primary = true;
	} else if (v[0] == 2 && v[88] == '%' && v[89] == '/' && memchr("@CE", v[90], 3)) {
		/* Joliet: the three levels of UCS-2, of which UTF-16 is the heir */
		memcpy(d->joliet, v, ISO_BLOCK);
		d->has_joliet = true;
	} else if (v[0] == 0 && memcmp(v + 7, el_torito, sizeof(el_torito) - 1) == 0) {
		d->catalogue = get_le32(v + 71);
	}
}

static int read_descriptors(struct iso *iso, struct descriptors *d, struct err *e)
{
	u8 v[ISO_BLOCK];

	for (u64 block = FIRST_DESCRIPTOR; block < FIRST_DESCRIPTOR + DESCRIPTORS_MAX; block++) {
		int r;

		if (!iso_inside(iso, block * ISO_BLOCK, ISO_BLOCK))
			break;
		r = iso_read_at(iso, block * ISO_BLOCK, v, ISO_BLOCK, e);
		if (r < 0)
			return r;
		if (block == FIRST_DESCRIPTOR && memcmp(v + 1, "CD001", 5) != 0)
			break;
		if (!is_descriptor(v))
			break;
		take_descriptor(d, v);
	}
	if (!d->has_primary)
		return fail_source(e, -EINVAL, "%s", kind_of(iso->fd, iso->source.size));
	return 0;
}

/* ECMA 8.4.26.1: 16 digits down to the hundredth of a second, then the zone in quarters of an hour. */
static char *volume_date(const u8 *p)
{
	int n[7] = { 0 };
	char text[64];
	struct tm tm;
	time_t t;

	for (int i = 0, at = 0; i < 6; i++)
		for (int digits = i ? 2 : 4; digits > 0; digits--, at++) {
			if (p[at] < '0' || p[at] > '9')
				return xstrdup("");
			n[i] = n[i] * 10 + p[at] - '0';
		}
	if (n[0] == 0)
		return xstrdup("");
	tm = (struct tm){ .tm_year = n[0] - 1900,
		          .tm_mon = n[1] - 1,
		          .tm_mday = n[2],
		          .tm_hour = n[3],
		          .tm_min = n[4],
		          .tm_sec = n[5] };
	t = timegm(&tm) - (time_t)(signed char)p[16] * 15 * 60;
	if (!gmtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return xstrdup("");
	return xstrdup(text);
}

static int take_primary(struct iso *iso, const u8 *v, struct err *e)
{
	struct source *s = &iso->source;
	size_t len = strnlen((const char *)v + 40, 32);

	if (get_le16(v + 128) != ISO_BLOCK)
		return fail_source(e, -EINVAL, "has blocks of %u bytes, only 2048 are supported", get_le16(v + 128));
	if ((u64)get_le32(v + 80) * ISO_BLOCK > s->size)
		return iso_cut_short(iso, (u64)get_le32(v + 80) * ISO_BLOCK, e);
	while (len && v[40 + len - 1] == ' ')
		len--;
	free(s->volume_id);
	s->volume_id = xstrndup((const char *)v + 40, len);
	free(s->created);
	s->created = volume_date(v + 813);
	return 0;
}

/* ---- the whole */

static int choose_names(struct iso *iso, const struct descriptors *d, struct err *e)
{
	u8 data[ISO_BLOCK];
	struct iso_record rec;
	bool is_rr = false;
	int r;

	if (!iso_record(d->primary + ROOT_RECORD, ISO_RECORD_MIN, &rec))
		return fail_source(e, -EINVAL, "the record of the root directory is damaged");
	if (!iso_inside(iso, rec.off, ISO_BLOCK))
		return iso_cut_short(iso, rec.off + ISO_BLOCK, e);
	r = iso_read_at(iso, rec.off, data, ISO_BLOCK, e);
	if (r == 0 && iso_record(data, ISO_BLOCK, &rec))
		r = rr_detect(iso, rec.susp, rec.susp_len, &is_rr, &iso->susp_skip, e);
	iso->names = is_rr ? ISO_NAMES_ROCK_RIDGE : d->has_joliet ? ISO_NAMES_JOLIET : ISO_NAMES_PLAIN;
	return r;
}

struct total {
	u64 bytes;
};

static int add_size(void *ctx, const struct node *n)
{
	struct total *t = ctx;

	t->bytes += n->size; /* below 2^64: ISO_META_MAX has room for 2^24 records of less than 4 GiB */
	return 0;
}

static int check_sizes(struct iso *iso, struct err *e)
{
	struct total total = { 0 };

	if (iso->needed > iso->source.size)
		return iso_cut_short(iso, iso->needed, e);
	source_each(&iso->source, add_size, &total);
	if (total.bytes / FILES_PER_IMAGE_MAX > iso->source.size)
		return fail_source(e, -E2BIG,
		                   "its files have %llu bytes, the image only %llu: it is damaged or hostile",
		                   (unsigned long long)total.bytes, (unsigned long long)iso->source.size);
	return 0;
}

static int read_image(struct iso *iso, struct err *e)
{
	struct descriptors d = { 0 };
	int r;

	r = stat_image(iso->fd, &iso->source.size, &iso->mtime, &iso->is_block, e);
	if (r == 0)
		r = read_descriptors(iso, &d, e);
	if (r == 0)
		r = take_primary(iso, d.primary, e);
	if (r == 0)
		r = choose_names(iso, &d, e);
	if (r == 0)
		r = iso_read_tree(iso, (iso->names == ISO_NAMES_JOLIET ? d.joliet : d.primary) + ROOT_RECORD, e);
	if (r == 0)
		r = source_sort(&iso->source, e);
	if (r == 0)
		r = check_sizes(iso, e);
	if (r < 0)
		return r;
	if (d.has_udf && kind_is_windows(&iso->source))
		return fail_source(e, -EINVAL, "is a Windows ISO (UDF), not a live Linux");
	if (iso->n_left_out)
		source_warn(&iso->source, "%zu devices, pipes or sockets in it are left out", iso->n_left_out);
	iso->catalogue = d.catalogue;
	iso->source.boot_catalogue = (u64)d.catalogue * ISO_BLOCK;
	iso_find_boot_images(iso);
	return 0;
}

int iso_open_fd(int fd, const char *path, struct source **ret, struct err *e)
{
	struct iso *iso = xcalloc(1, sizeof(*iso));
	int r;

	iso->fd = fd;
	source_init(&iso->source, &iso_ops, path, "ISO 9660");
	r = read_image(iso, e);
	if (r < 0) {
		source_free(&iso->source);
		return fail(e, r, "%s", path);
	}
	*ret = &iso->source;
	return 0;
}
