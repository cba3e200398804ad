/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of prove_boot() share. */
#ifndef LIVESTICK_PROVE_PARTS_H
#define LIVESTICK_PROVE_PARTS_H

#include "persist/family.h"
#include "src/prove.h"
#include "src/prove_disk.h"
#include "src/prove_guest.h"

/* Of one firmware. */
struct proof {
	struct device *stick;
	const struct stick *facts;
	const struct prove_request *q;
	struct progress *progress;
	struct checks *c;
	struct qemu *qemu;
	const char *tmpdir;

	enum firmware firmware;
	const struct family *family; /* NULL: unknown */
	int vars;
	struct device *overlay;
	char *no_console;  /* why the entries have no serial console; NULL: they have */
	i64 first, second; /* when the two starts began: seconds since 1970 */

	char text[2][64];           /* the two halves of what the marker holds */
	char name[32], whole[128];  /* its name; its text */
	struct prove_marker marker; /* both, for looking */
	char *path;                 /* where it was written, as the guest calls it; NULL: it was not */
	bool has_proof;             /* the guest's mounts are those of a system that saves, as its family has them */
};

/* ---- prove_judge.c */

/* Nothing can be kept, and nobody has wanted it: a stick of ours without DATA. */
bool prove_keeps_nothing(const struct proof *p);

/* Adds "boot-..." for a start that was watched and cut; `which` is 1 or 2. Whether it has started. */
bool prove_judge_start(struct proof *p, int which, struct guest *g, const struct guest_facts *f);
/* Writes the marker, when there is a shell. -EINTR. */
MUST_CHECK int prove_plant(struct proof *p, struct guest *g, const struct guest_facts *f, struct err *e);
/* Asks the guest of the second start for it: 1, 0; -ENODATA: it cannot be asked. -EINTR. */
MUST_CHECK int prove_ask(struct proof *p, struct guest *g, const struct guest_facts *f, struct err *e);
/* Adds "persist-...", once no guest runs. `asked` is what prove_ask() said. */
MUST_CHECK int prove_judge_persistence(struct proof *p, int asked, struct err *e);

/* The ids of the checks. */
extern const char *const prove_boot_id[N_FIRMWARES];
extern const char *const prove_persist_id[N_FIRMWARES];

#endif
