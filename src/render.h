/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text and JSON of the same structs. Texts from a source or stick are escaped here. */
#ifndef LIVESTICK_RENDER_H
#define LIVESTICK_RENDER_H

#include <json-c/json.h>

#include "partition/scan.h"
#include "src/build.h"

/* The plan: partitions, menu, files copied and left out, what will be written. `b` may be NULL. */
void render_plan(const struct plan *p, const struct host *host, const struct build *b, struct buf *out);
struct json_object *render_plan_json(const struct plan *p, const struct host *host, const struct build *b);

/* The entries of a menu, and what is left out and why. */
void render_menu(const struct menu *m, struct buf *out);
struct json_object *render_menu_json(const struct menu *m);
/* Lines of text, each a warning. */
void render_warnings(const char *lines, struct buf *out);

/* Which firmware will start the stick, and why not the others. */
void render_firmware(const struct plan *p, const struct host *host, struct buf *out);

/* What is on a device. */
void render_scan(const struct scan *s, struct buf *out);
struct json_object *render_scan_json(const struct scan *s);

/* What a source is: format, label, family, menu. */
void render_facts(const struct facts *f, struct buf *out);
struct json_object *render_facts_json(const struct facts *f);

/* A new object with "format": 1, and adding of escaped text and of byte counts. */
struct json_object *json_result(void);
void json_add_text(struct json_object *o, const char *key, const char *text);
void json_add_bytes(struct json_object *o, const char *key, u64 bytes);
void json_add_bool(struct json_object *o, const char *key, bool value);
/* Prints the object and a line feed on stdout, and frees it. */
MUST_CHECK int json_print(struct json_object *o, struct err *e);

#endif
