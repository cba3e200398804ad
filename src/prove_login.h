/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names and passwords that live systems are known to let in, as their makers tell everybody. */
#ifndef LIVESTICK_PROVE_LOGIN_H
#define LIVESTICK_PROVE_LOGIN_H

#include <stddef.h>

#define LOGINS_MAX 4

struct login {
	const char *family; /* NULL: any */
	const char *user, *password;
};

/* At most LOGINS_MAX, the likeliest first; how many. `family` may be NULL. */
size_t logins_of(const char *family, const struct login *ret[LOGINS_MAX]);

#endif
