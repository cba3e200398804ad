/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The new system is read from one end to the other before anything is written: for the digests of its manifest, and to
 * know that it can be read and is what its maker made.
 */
#include <errno.h>

#include "src/base/hashing.h"
#include "src/job_upgrade_parts.h"
#include "src/source/sums.h"

struct reading {
	struct upgrade_job *job;
	struct sums *sums;
	struct hashing *hashing; /* of the manifest's digests; a list's is made here */
};

/* An ISO that differs from its own list is damaged; a directory or a stick may have been changed by its owner. */
static int judge_damage(struct reading *rd, int r, struct err *e)
{
	struct upgrade_job *j = rd->job;

	if (r != -EBADMSG || (strncmp(j->facts.source->format, "ISO", 3) == 0 && !j->request->ignore_checksums))
		return r;
	buf_addf(&j->warnings, "%s\n", e->text);
	err_clear(e);
	return 0;
}

/* What somebody listed the file with; `digest` has seen all of it. */
static int compare(struct reading *rd, const struct node *n, const struct sum *sum, struct digest *digest,
                   struct err *e)
{
	u8 is[DIGEST_SIZE_MAX];

	digest_end(digest, is);
	if (memcmp(is, sum->digest, digest_size(sum->kind)) == 0)
		return 0;
	return judge_damage(rd, sums_check_node(rd->sums, n, NULL, e), e);
}

static int read_file(struct reading *rd, struct volume_file *f, struct err *e)
{
	const struct node *n = node_of_input(&f->input); /* NULL: a file of ours */
	const struct sum *sum = n ? sums_for(rd->sums, n) : NULL;
	struct digest *digest = sum ? digest_new(sum->kind) : NULL;
	int r = 0;

	for (u64 off = 0; r == 0 && off < f->size; off += HASHING_PIECE) {
		size_t len = (size_t)MIN(HASHING_PIECE, f->size - off);
		u8 *piece = hashing_piece(rd->hashing);

		r = interrupted ? fail(e, -EINTR, "interrupted") : input_read(&f->input, off, piece, len, e);
		if (r < 0)
			break;
		hashing_add(rd->hashing, f->hash, len);
		if (digest)
			digest_add(digest, piece, len);
		progress_add(rd->job->request->progress, len);
	}
	f->hash = NULL; /* done with: the write need not do it again */
	if (r == 0 && digest)
		return compare(rd, n, sum, digest, e);
	digest_free(digest);
	return r;
}

/* Its bytes are those of another one, which was read; what somebody listed it with may be wrong all the same. */
static int check_same(struct reading *rd, const struct volume_file *f, struct err *e)
{
	const struct node *n = node_of_input(&f->input);

	return n && sums_for(rd->sums, n) ? judge_damage(rd, sums_check_node(rd->sums, n, NULL, e), e) : 0;
}

static int read_files(struct reading *rd, struct err *e)
{
	struct volume_files *files = &rd->job->plan->boot_files;
	int r = 0;

	for (size_t i = 0; r == 0 && i < files->n; i++) {
		if (files->file[i].hash)
			r = read_file(rd, &files->file[i], e);
		else if (files->file[i].same_as)
			r = check_same(rd, &files->file[i], e);
	}
	hashing_wait(rd->hashing);
	return r;
}

/* A sum of the whole image needs all of it; where there is a list it says the same of what matters. */
static int read_image(struct reading *rd, struct err *e)
{
	if (!rd->sums->image.is_there || rd->sums->n_sums)
		return 0;
	return judge_damage(rd, sums_check_image(rd->sums, NULL, e), e);
}

int upgrade_read_source_through(struct upgrade_job *j, struct err *e)
{
	AUTO_SUMS struct sums *sums = NULL;
	AUTO_HASHING struct hashing *hashing = NULL;
	struct reading rd = { .job = j };
	u64 bytes = 0;
	int r = sums_read(j->facts.source, &sums, e);

	if (r == 0)
		r = hashing_new(&hashing, e);
	rd.sums = sums;
	rd.hashing = hashing;
	for (size_t i = 0; i < j->plan->boot_files.n; i++)
		bytes += j->plan->boot_files.file[i].hash ? j->plan->boot_files.file[i].size : 0;
	progress_begin(j->request->progress, "read", bytes);
	if (r == 0)
		r = read_files(&rd, e);
	if (r == 0)
		r = read_image(&rd, e);
	if (r == 0)
		r = source_changed(j->facts.source, e);
	progress_end(j->request->progress);
	if (r == -EBADMSG) {
		AUTO_FREE char *why = TAKE(e->text);

		return fail_source(e, r, "%s (--ignore-checksums takes it all the same)", why);
	}
	if (r < 0)
		return fail_source(e, r, "%s", j->request->source);
	for (size_t i = 0; i < sums->n_warnings; i++)
		buf_addf(&j->warnings, "%s\n", sums->warnings[i]);
	manifest_finish(&j->plan->slot_manifest);
	return 0;
}
