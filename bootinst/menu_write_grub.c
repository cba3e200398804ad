/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/menu_grub.h"
#include "bootinst/menu_write.h"

#include <errno.h>

#include "src/base/args.h"

/* ---- GRUB's script language */

/* Between single quotes everything is itself, up to the next one. */
static void add_quoted(struct buf *out, const char *text)
{
	buf_adds(out, "'");
	for (const char *c = text; *c; c++)
		buf_adds(out, *c == '\'' ? "'\\''" : (const char[]){ *c, '\0' });
	buf_adds(out, "'");
}

/* Quotes only where they are needed: an entry can be edited when it is shown. */
static void add_word(struct buf *out, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@%";

	buf_adds(out, " ");
	if (*word && !word[strspn(word, plain)])
		buf_adds(out, word);
	else
		add_quoted(out, word);
}

/* A blank in front keeps a title from being taken for an option. */
static void add_title(struct buf *out, const char *title, const char *otherwise)
{
	AUTO_FREE char *line = menu_one_line(title);
	AUTO_BUF struct buf text = { 0 };

	buf_addf(&text, "%s%s", *line == '-' ? " " : "", *line ? line : otherwise);
	add_quoted(out, text.s);
}

/* ---- arguments */

/* A word of the command line as the kernel's next_arg() reads it: without quotes around the word or its value. */
static char *as_read_by_linux(const char *word, size_t len)
{
	const char *end = word + len, *equals;
	bool quoted = len && *word == '"';
	struct buf text = { 0 };

	word += quoted;
	equals = memchr(word, '=', (size_t)(end - word));
	buf_adds(&text, "");
	if (equals && equals + 1 < end && equals[1] == '"') {
		buf_add(&text, word, (size_t)(equals + 1 - word));
		word = equals + 2;
		quoted = true;
	}
	end -= quoted && end > word && end[-1] == '"';
	buf_add(&text, word, (size_t)(end - word));
	return text.s;
}

/* What GRUB must be given: it adds quotes around a word with blanks, and a backslash before each of \ ' ". */
static char *as_given_to_grub(const char *word, size_t len)
{
	struct buf text = { 0 };

	buf_adds(&text, "");
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '\\' && i + 1 < len && (word[i + 1] == '\\' || word[i + 1] == '\''))
			i++;
		if (word[i] != '"')
			buf_add(&text, word + i, 1);
	}
	return text.s;
}

static void add_arg(struct buf *warnings, const struct menu_entry *entry, const char *word, size_t len,
                    struct buf *line, struct buf *out)
{
	AUTO_FREE char *bare = as_given_to_grub(word, len), *wanted = as_read_by_linux(word, len), *gets = NULL;
	AUTO_BUF struct buf made = { 0 };

	if (!*bare)
		return;
	grub_add_arg(&made, bare, false);
	gets = as_read_by_linux(made.s, made.len);
	if (strcmp(gets, wanted) != 0)
		buf_addf(warnings, "menu entry %s: started by GRUB, Linux gets the argument %s instead of %s\n",
		         entry->id, gets, wanted);
	buf_addf(line, " %s", made.s);
	add_word(out, bare);
}

/* ---- the slot's entries */

static int write_entry(void *ctx, const struct menu_entry *entry, struct buf *out, struct err *e)
{
	struct buf *warnings = ctx;
	const char *args = entry->args, *word;
	AUTO_BUF struct buf line = { 0 };
	size_t len;

	buf_adds(out, "menuentry ");
	add_title(out, entry->title, entry->id);
	buf_addf(out, " --id %s {\n\t$linux", entry->id);
	add_word(out, entry->kernel);
	buf_adds(&line, "BOOT_IMAGE=");
	grub_add_arg(&line, entry->kernel, false);
	while ((word = args_next(&args, &len)))
		add_arg(warnings, entry, word, len, &line, out);
	if (line.len > MENU_ARGS_MAX)
		return fail(e, -E2BIG, "menu entry %s: its command line has %zu bytes, the kernel takes %d", entry->id,
		            line.len, MENU_ARGS_MAX);
	if (entry->n_initrds)
		buf_adds(out, "\n\t$initrd");
	for (size_t i = 0; i < entry->n_initrds; i++)
		add_word(out, entry->initrds[i]);
	buf_adds(out, "\n}\n");
	return 0;
}

static void begin_submenu(const char *title, struct buf *out)
{
	buf_adds(out, "submenu ");
	add_title(out, title, "...");
	buf_adds(out, " {\n");
}

static void end_submenu(struct buf *out)
{
	buf_adds(out, "}\n");
}

int menu_write_grub(const struct menu *m, struct buf *out, struct buf *warnings, struct err *e)
{
	static const struct menu_dialect dialect = { write_entry, begin_submenu, end_submenu };

	return menu_write_entries(m, &dialect, warnings, out, e);
}

/* ---- the stick's files */

/*
 * switch.cfg is run as a script, its words as functions. Only what is exported is known within a submenu, where the
 * entries of the previous system are made.
 */
void menu_write_grub_top(unsigned timeout_ds, const char *linux_command, struct buf *out)
{
	if (timeout_ds)
		buf_addf(out, "set timeout=%u\n", (timeout_ds + 9) / 10);
	else
		buf_adds(out, "set timeout=-1\n");
	buf_addf(out,
	         "set linux=%s\n"
	         "set initrd=initrd%s\n"
	         "set first=\n"
	         "set previous=\n"
	         "export linux initrd previous\n",
	         linux_command, linux_command + strlen("linux"));
	buf_adds(out, "if [ \"$grub_platform\" = efi ]; then\n"
	              "\tinsmod all_video\n"
	              "fi\n"
	              "function DEFAULT {\n"
	              "\tset default=\"$1\"\n"
	              "}\n"
	              "function INCLUDE {\n"
	              "\tset menu=a.grub\n"
	              "\tif [ \"$1\" = /livestick/b.cfg ]; then\n"
	              "\t\tset menu=b.grub\n"
	              "\tfi\n"
	              "\tif [ -n \"$first\" ]; then\n"
	              "\t\tset previous=\"$menu\"\n"
	              "\telse\n"
	              "\t\tset first=\"$menu\"\n"
	              "\tfi\n"
	              "}\n"
	              "function MENU { set word=\"$1\"; }\n"
	              "function LABEL { set word=\"$1\"; }\n"
	              "function TIMEOUT { set word=\"$1\"; }\n"
	              "source /livestick/switch.cfg\n"
	              "source \"/livestick/$first\"\n"
	              "if [ -n \"$previous\" ]; then\n"
	              "\tsubmenu '" MENU_PREVIOUS "' {\n"
	              "\t\tsource \"/livestick/$previous\"\n"
	              "\t}\n"
	              "fi\n");
}

void menu_write_grub_stub(const char *boot_uuid, struct buf *out)
{
	buf_addf(out,
	         "search --no-floppy --fs-uuid --set=root %s\n"
	         "if [ -e /livestick/grub.cfg ]; then\n"
	         "\tconfigfile /livestick/grub.cfg\n"
	         "else\n"
	         "\techo \"livestick: no file system has the UUID %s, and ($root) has no /livestick/grub.cfg\"\n"
	         "\tsleep --interruptible 30\n"
	         "fi\n",
	         boot_uuid, boot_uuid);
}
