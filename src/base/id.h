/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every id of a stick comes from one seed and the id's role, so that the same seed gives the same stick: no other
 * place makes ids, and none of them is random by itself.
 */
#ifndef LIVESTICK_BASE_ID_H
#define LIVESTICK_BASE_ID_H

#include "src/base/err.h"

struct seed {
	u8 bytes[32];
};

#define UUID_TEXT_SIZE 37 /* 36 characters and a NUL */

/* From the user's words, or from the kernel's random numbers (-errno if there are none). */
void seed_from_text(const char *text, struct seed *ret);
MUST_CHECK int seed_random(struct seed *ret, struct err *e);

/* That of the stick number `i`, counted from 0, of those made at once: for the first it is `s` itself. */
void seed_of_stick(const struct seed *s, size_t i, struct seed *ret);

/* Ids for a role such as "disk", "boot", "data". An u32 is never 0; a UUID is marked as version 8 (RFC 9562). */
u32 id_u32(const struct seed *s, const char *role);
void id_uuid(const struct seed *s, const char *role, u8 ret_uuid[16]);
void uuid_text(const u8 uuid[16], char ret_text[UUID_TEXT_SIZE]);

#endif
