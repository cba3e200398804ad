/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a GRUB looks for its configuration: a look through its embedded script, without running it. A variable has
 * every value that the script may give it, and a path is meant with each of them.
 */
#include <ctype.h>
#include <strings.h>

#include "bootinst/efi_image_private.h"
#include "bootinst/menu.h"

#define PATHS_MAX     64
#define VARIABLES_MAX 64 /* values of all */
#define WORD_MAX      1024
#define EXPAND_DEPTH  8
#define STEPS_MAX     20000 /* of expansion, in all */

/* Of Debian and Ubuntu; for a memdisk that cannot be read, as theirs is the one that is met. */
static const char usual_script[] = "set prefix=($root)/boot/grub\n"
                                   "source $prefix/$grub_cpu-$grub_platform/grub.cfg\n"
                                   "source $prefix/grub.cfg\n";

struct variable {
	char *name, *value;
};

struct scan {
	struct variable *variable;
	size_t n, cap;
	unsigned steps;
	struct efi_paths *out;
};

static void add_variable(struct scan *s, const char *name, const char *value)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->variable[i].name, name) == 0 && strcmp(s->variable[i].value, value) == 0)
			return;
	if (s->n < VARIABLES_MAX)
		*ARRAY_ADD(s->variable, s->n, s->cap) = (struct variable){ xstrdup(name), xstrdup(value) };
}

static void scan_free(struct scan *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->variable[i].name);
		free(s->variable[i].value);
	}
	free(s->variable);
}

/* ---- paths */

/* A device is taken for the volume itself, unless it can be none. */
static const char *without_device(const char *path)
{
	static const char *const other[] = { "(memdisk", "(proc", "(tftp", "(http", "(pxe" };

	if (*path != '(')
		return path;
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		if (strncmp(path, other[i], strlen(other[i])) == 0)
			return "";
	path = strchr(path, ')');
	return path ? path + 1 : "";
}

static void add_path(struct scan *s, const char *path)
{
	AUTO_ERR struct err ignored = { 0 };
	AUTO_FREE char *clean = NULL;

	path = without_device(path);
	if (*path != '/' || menu_path("/", path, &clean, &ignored) < 0 || !clean[1])
		return;
	/* The volume is a FAT: either case is the same file. */
	for (size_t i = 0; i < s->out->n; i++)
		if (strcasecmp(s->out->path[i], clean) == 0)
			return;
	if (s->out->n < PATHS_MAX)
		*ARRAY_ADD(s->out->path, s->out->n, s->out->cap) = TAKE(clean);
}

static void assign(struct scan *s, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	AUTO_FREE char *name = xstrndup(assignment, (size_t)(equals - assignment));

	add_variable(s, name, equals + 1);
}

/* ---- words */

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Calls `use` with each of the words that `word` may become; one with a variable that is not known becomes none. */
static void expand(struct scan *s, const char *word, unsigned depth, void (*use)(struct scan *s, const char *word))
{
	const char *dollar = strchr(word, '$'), *name, *rest;
	size_t len = 0, n = s->n;

	if (!dollar) {
		use(s, word);
		return;
	}
	name = dollar[1] == '{' ? dollar + 2 : dollar + 1;
	while (is_name_char(name[len]))
		len++;
	rest = name + len + (dollar[1] == '{' && name[len] == '}');
	for (size_t i = 0; i < n && depth < EXPAND_DEPTH; i++) {
		AUTO_BUF struct buf b = { 0 };

		if (++s->steps > STEPS_MAX)
			return;
		if (strlen(s->variable[i].name) != len || memcmp(s->variable[i].name, name, len) != 0)
			continue;
		buf_add(&b, word, (size_t)(dollar - word));
		buf_addf(&b, "%s%s", s->variable[i].value, rest);
		if (b.len <= WORD_MAX)
			expand(s, b.s, depth + 1, use);
	}
}

/*
 * The word at `*at`, without its quotes, into `word` (WORD_MAX + 1); "" at the end of a command. False at the end of
 * the script. A longer word is cut, which no path of use is.
 */
static bool next_word(const char **at, char *word)
{
	const char *p = *at + strspn(*at, " \t\r");
	char quote = '\0';
	size_t n = 0;

	if (*p == '#')
		p += strcspn(p, "\n");
	for (; *p && (quote || !strchr(" \t\r\n;", *p)); p++) {
		if (*p == quote)
			quote = '\0';
		else if (!quote && (*p == '"' || *p == '\''))
			quote = *p;
		else if (n < WORD_MAX)
			word[n++] = *p;
	}
	word[n] = '\0';
	if (!n && (*p == '\n' || *p == ';'))
		p++;
	else if (!n && !*p)
		return false;
	*at = p;
	return true;
}

static bool is_one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

static bool is_assignment(const char *word)
{
	size_t len = 0;

	while (is_name_char(word[len]))
		len++;
	return len && word[len] == '=';
}

/* `word` is an argument of `command`. */
static void take_argument(struct scan *s, const char *command, const char *word)
{
	static const char *const loads[] = { ".", "configfile", "normal", "source" };

	if (is_one_of(command, loads, ARRAY_SIZE(loads)))
		expand(s, word, 0, add_path);
	else if (strcmp(command, "set") == 0 && is_assignment(word))
		expand(s, word, 0, assign);
	/* What a search finds is taken for the volume: "search --set=name", "search.fs_uuid UUID name". */
	else if (strncmp(command, "search", 6) == 0 && strncmp(word, "--set=", 6) == 0)
		add_variable(s, word + 6, "");
	else if (strncmp(command, "search", 6) == 0 && *word != '-' && *word != '/')
		add_variable(s, word, "");
}

static void scan_script(struct scan *s, const char *script)
{
	static const char *const before_command[] = { "then", "else", "do", "{", "!", "if", "elif", "while", "until" };
	char word[WORD_MAX + 1], command[32] = "";

	while (next_word(&script, word)) {
		if (!*word) {
			command[0] = '\0';
		} else if (*command) {
			take_argument(s, command, word);
		} else if (is_assignment(word)) {
			expand(s, word, 0, assign);
		} else if (!is_one_of(word, before_command, ARRAY_SIZE(before_command))) {
			snprintf(command, sizeof(command), "%.31s", word);
		}
	}
}

/* ---- all of it */

static void add_constants(struct scan *s, const struct efi_image *grub, const char *dir)
{
	static const char *const cpus[] = {
		[EFI_MACHINE_OTHER] = "x86_64", [EFI_X64] = "x86_64", [EFI_IA32] = "i386", [EFI_AA64] = "arm64"
	};
	const char *prefix = grub->grub_prefix ? grub->grub_prefix : "";
	const char *prefix_path = *prefix == '(' && strchr(prefix, ')') ? strchr(prefix, ')') + 1 : prefix;

	add_variable(s, "root", "");
	add_variable(s, "cmdpath", dir);
	add_variable(s, "fw_path", dir);
	add_variable(s, "prefix", *prefix_path ? prefix : dir);
	add_variable(s, "grub_cpu", cpus[grub->machine]);
	add_variable(s, "grub_platform", "efi");
}

void grub_config_paths(const struct efi_image *grub, const char *dir, struct efi_paths *ret)
{
	struct efi_paths paths = { 0 };
	CLEANUP(scan_free) struct scan s = { .out = &paths };

	add_constants(&s, grub, dir);
	expand(&s, "$fw_path/grub.cfg", 0, add_path);
	expand(&s, "$prefix/grub.cfg", 0, add_path);
	if (grub->grub_config)
		scan_script(&s, grub->grub_config);
	if (grub->grub_memdisk_unknown)
		scan_script(&s, usual_script);
	/* Once more, with what the script made of it: GRUB goes on with that when the script ends. */
	expand(&s, "$prefix/grub.cfg", 0, add_path);
	*ret = paths;
}

void efi_paths_free(struct efi_paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->path[i]);
	free(p->path);
	*p = (struct efi_paths){ 0 };
}
