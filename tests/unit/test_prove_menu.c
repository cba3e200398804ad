/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/prove_menu.h"
#include "tests/lib/test.h"

static void check_edit(const char *path, const char *text, const char *want, bool want_console)
{
	AUTO_BUF struct buf out = { 0 };
	bool console = false, changed = prove_edit_menu(path, text, &out, &console);

	CHECK(changed == (want != NULL));
	CHECK(console == want_console);
	if (changed && want)
		CHECK_STR(out.s, want);
}

#define CONSOLE "console=tty0 console=ttyS0,115200"

TEST(syslinux)
{
	check_edit("/livestick/a.cfg",
	           "LABEL a1\n  MENU LABEL Live\n  LINUX /live/vmlinuz\n  INITRD /live/initrd\n"
	           "  APPEND boot=live quiet splash persistence --- speech\nLABEL a2\n  APPEND -\n",
	           "LABEL a1\n  MENU LABEL Live\n  LINUX /live/vmlinuz\n  INITRD /live/initrd\n"
	           "  APPEND boot=live persistence " CONSOLE " --- speech\nLABEL a2\n  APPEND -\n",
	           true);
	/* the first timeout, not those of submenus */
	check_edit("/syslinux/syslinux.cfg", "PROMPT 0\nTIMEOUT 300\nmenu begin\ntimeout 0\nmenu end",
	           "PROMPT 0\nTIMEOUT 10\nmenu begin\ntimeout 0\nmenu end", false);
	check_edit("/livestick/switch.cfg", "DEFAULT a1\nINCLUDE /livestick/a.cfg\n", NULL, false);
	check_edit("/isolinux/live.cfg", "append console=ttyS1,9600 x", "append x " CONSOLE, true);
}

TEST(grub)
{
	check_edit("/livestick/a.grub",
	           "menuentry 'Live' --id a1 {\n\t$linux /live/vmlinuz boot=live 'a=b c' quiet\n\t$initrd /i\n}\n",
	           "menuentry 'Live' --id a1 {\n\t$linux /live/vmlinuz boot=live 'a=b c' " CONSOLE
	           "\n\t$initrd /i\n}\n",
	           true);
	check_edit(
	    "/boot/grub/grub.cfg", "set timeout=-1\n  linuxefi /v\nset timeout_style=menu\nif x; then timeout=9; fi\n",
	    "set timeout=1\n  linuxefi /v " CONSOLE "\nset timeout_style=menu\nif x; then timeout=9; fi\n", true);
	check_edit("/boot/grub/grub.cfg", "linux /v a \\\n b\n", NULL, false);
	check_edit("/livestick/grub.cfg", "set linux=linux\nsource /livestick/switch.cfg\n", NULL, false);
}

TEST(systemd_boot_and_what_is_no_menu)
{
	check_edit("/loader/entries/arch.conf", "title Arch\nlinux /v\noptions quiet archisobasedir=arch\n",
	           "title Arch\nlinux /v\noptions archisobasedir=arch " CONSOLE "\n", true);
	check_edit("/etc/append.conf", "options quiet\nappend x\n", NULL, false);
	check_edit("/live/filesystem.squashfs", "append x\n", NULL, false);
	check_edit("/syslinux.cfg", "", NULL, false);
	check_edit("/syslinux.cfg", "\n\n   \n", NULL, false);
	check_edit("/syslinux.cfg", "append", "append " CONSOLE, true);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
