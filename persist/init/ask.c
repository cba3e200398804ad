/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/ask.h"

#include <sys/mount.h>
#include <sys/reboot.h>

#include "persist/init/inside.h"
#include "persist/init/say.h"

static const struct meaning {
	char letter;
	const char *text;
} meanings[] = {
	{ 'c', "start without saving this once: changes are kept in memory" },
	{ 'f', "go on all the same" },
	{ 'n', "begin anew with no changes; the old ones are put aside on the stick" },
	{ 'y', "repair it: e2fsck -y, files in damaged places may be lost" },
	{ 'r', "look again" },
	{ 's', "a shell of the system's, to look or to repair" },
	{ 'b', "reboot" },
};

static void reboot_now(void)
{
	sync();
	umount2(RUN_DATA, MNT_DETACH);
	sync();
	reboot(RB_AUTOBOOT);
	say("the machine does not reboot: switch it off");
}

static void show(const char *letters)
{
	for (; *letters; letters++)
		for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
			if (meanings[i].letter == *letters)
				say("  %c: %s", *letters, meanings[i].text);
}

char ask(struct run *run, const char *letters)
{
	TEXT(all, 16);

	text_add(&all, "%s%sb", letters, inside_has_shell(run) ? "s" : "");
	for (;;) {
		const char *console;
		char letter;

		show(all.s);
		letter = say_read_letter(all.s, &console);
		if (letter == 'b')
			reboot_now();
		else if (letter == 's')
			inside_shell(run, console);
		else
			return letter;
	}
}
