/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files for GRUB share: menu_grub_lex.c (tokens), menu_grub_var.c (variables, expansion),
 * menu_grub_script.c (statements), menu_grub_command.c and menu_grub_test.c (commands), menu_read_grub.c (files, the
 * menu), menu_write_grub.c. For nobody else.
 *
 * A text is cut into tokens once; statements then are ranges of tokens, so that bodies of functions, loops and menu
 * entries can be run again and later. Everything that a configuration can make grow is charged to one budget.
 */
#ifndef LIVESTICK_BOOTINST_MENU_GRUB_H
#define LIVESTICK_BOOTINST_MENU_GRUB_H

#include "bootinst/menu_draft.h"

#define GRUB_MAX_STEPS 200000 /* commands, and every 64 bytes that variables put into words */
#define GRUB_MAX_DEPTH 16     /* files, functions and menus that are open */
#define GRUB_MAX_VALUE (64 * KIB)

/* ---- texts */

enum grub_type {
	GRUB_SEPARATOR, /* a newline or semicolon, or several */
	GRUB_WORD,
	GRUB_OPEN,
	GRUB_CLOSE,
	GRUB_IF, /* from here on: reserved words, where a command can begin */
	GRUB_THEN,
	GRUB_ELIF,
	GRUB_ELSE,
	GRUB_FI,
	GRUB_FOR,
	GRUB_WHILE,
	GRUB_UNTIL,
	GRUB_DO,
	GRUB_DONE,
	GRUB_FUNCTION,
};

struct grub_token {
	u32 off, len, line;
	u32 next; /* where the statement goes on: if -> then -> elif, else or fi; for -> do -> done; { -> }. 0: nowhere
	           */
	enum grub_type type;
};

struct grub_text {
	char *path; /* for messages */
	char *text;
	struct grub_token *token;
	size_t n, cap;
};

/* Cuts `t->text`, whose first line is number `line`. What comes after a quote that is not closed is left out. */
MUST_CHECK int grub_lex(struct grub_text *t, unsigned line, struct err *e);

/* The length of the variable at a '$': "$x", "${x}", "$1", "$@"; 1 when there is none. The name is what is inside. */
size_t grub_variable_length(const char *s, const char **ret_name, size_t *ret_len);

/* ---- words and variables */

struct grub_words {
	char **w;
	size_t n, cap;
};

void grub_words_add(struct grub_words *words, const char *s, size_t len);
void grub_words_free(struct grub_words *words);

struct grub_var {
	u32 hash;
	char *name, *value; /* value NULL: not set */
};

struct grub_function {
	char *name;
	const struct grub_text *text;
	size_t from, to;
};

/* A line of a menu, whether it starts Linux or not: `default` counts them all. */
struct grub_item {
	size_t parent, index; /* parent GRUB_TOP or an item; index among its children */
	size_t n_children;
	size_t entry; /* in the menu, or GRUB_NONE */
	struct grub_words args;
	char *id;
	const struct grub_text *text; /* the body */
	size_t from, to;
};

#define GRUB_NONE SIZE_MAX
#define GRUB_TOP  SIZE_MAX

enum grub_leave { LEAVE_NOTHING, LEAVE_BREAK, LEAVE_CONTINUE, LEAVE_RETURN, LEAVE_ALL };

struct grub {
	const struct menu_loader *loader;
	const char *platform; /* "efi", "pc" */
	struct menu menu;

	struct grub_text **texts; /* functions and items point into them */
	size_t n_texts, cap_texts, n_tokens;
	struct grub_var *vars;
	size_t n_vars, cap_vars;
	struct grub_var *undo; /* what variables were before, newest last */
	size_t n_undo, cap_undo;
	struct grub_function *functions;
	size_t n_functions, cap_functions;
	struct grub_item *items;
	size_t n_items, cap_items, n_top;
	struct grub_words menus; /* files that were opened as a menu */

	const struct grub_words *args; /* $1 $2 ... */
	size_t item;                   /* the one that is open, or GRUB_TOP */
	int status;                    /* $? */
	enum grub_leave leave;
	unsigned loops; /* that are open, within the function */
	unsigned steps, depth, nesting, n_files, n_tried;

	char *kernel, *cmdline; /* what linux and initrd have loaded; NULL: nothing */
	struct grub_words initrds;
};

/* A step and `bytes` of work. -ELOOP: the configuration has used up what it may. */
MUST_CHECK int grub_charge(struct grub *g, size_t bytes, struct err *e);

/* NULL: not set. "feature_..." are always "y". */
const char *grub_get(const struct grub *g, const char *name);
MUST_CHECK int grub_set(struct grub *g, const char *name, const char *value, struct err *e);
/* Takes back what was set since there were `n` steps to undo. */
void grub_undo(struct grub *g, size_t n);

/* The words that a word of the text becomes: none, one, or several. */
MUST_CHECK int grub_expand(struct grub *g, const char *raw, size_t len, struct grub_words *out, struct err *e);

/* ---- statements */

/* Runs the tokens `from` to `to`. Errors name file and line. */
MUST_CHECK int grub_run(struct grub *g, const struct grub_text *t, size_t from, size_t to, struct err *e);

/* menuentry or submenu TITLE [--id ID] [--class ...] [ARG...], and the tokens of its body. */
MUST_CHECK int grub_add_item(struct grub *g, const struct grub_words *words, const struct grub_text *t, size_t from,
                             size_t to, struct err *e);

/* ---- files */

/* The path in the tree of a path that may begin with a device: everything is on the one medium. The caller frees. */
MUST_CHECK int grub_path(const char *name, char **ret, struct err *e);

/* Loads a file, without a NUL in it. -ENOENT, -EISDIR without a word in `e`. The caller frees. */
MUST_CHECK int grub_load(struct grub *g, const char *name, char **ret_path, char **ret_text, struct err *e);

MUST_CHECK int grub_source(struct grub *g, const char *name, struct err *e);
MUST_CHECK int grub_configfile(struct grub *g, const char *name, struct err *e);
MUST_CHECK int grub_eval(struct grub *g, const char *text, struct err *e);

/* ---- commands */

/* Runs what is built in; *ret_known false: there is no such command. Sets g->status. */
MUST_CHECK int grub_command(struct grub *g, const struct grub_words *words, bool *ret_known, struct err *e);

/* What `[` and `test` say to the words between. */
MUST_CHECK int grub_test(struct grub *g, char *const *w, size_t n, bool *ret, struct err *e);

void grub_unload(struct grub *g);

/*
 * Adds an argument of `linux` as grub-core/lib/cmdline.c puts it into the kernel's command line: quotes around one with
 * blanks, a backslash before quotes and backslashes. `keep_hex`: not before "\x20", as in Red Hat's GRUB.
 */
void grub_add_arg(struct buf *line, const char *word, bool keep_hex);

#endif
