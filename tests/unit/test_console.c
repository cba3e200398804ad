/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/console.h"
#include "tests/lib/test.h"

static void add(struct console *c, const char *text)
{
	console_add(c, text, strlen(text));
}

TEST(escape_sequences_go_wherever_they_are_cut)
{
	static const char said[] =
	    "\033[2J\033[01;01H\033[0;37;40mGRUB\r\n\033[?25l\033(B\033)0\033]0;title\a\033=\033>"
	    "\033[mroot@live:~\033[0m# ";

	for (size_t piece = 1; piece < sizeof(said); piece++) {
		struct console c = { 0 };

		for (size_t at = 0; at < sizeof(said) - 1; at += piece)
			console_add(&c, said + at, MIN(piece, sizeof(said) - 1 - at));
		CHECK_STR(console_since(&c, 0), "GRUB\nroot@live:~# ");
		console_free(&c);
	}
}

TEST(a_moved_cursor_begins_a_line)
{
	struct console c = { 0 };

	add(&c, "one\033[5;1Htwo\033[6;1H\033[7;1Hthree");
	console_add(&c, "\0\0!", 3);
	CHECK_STR(console_since(&c, 0), "one\ntwo\nthree!");
	console_free(&c);
}

/* As SeaBIOS shows on its serial port what a loader writes on the screen, piece by piece. */
TEST(a_cursor_that_goes_where_it_is_ends_nothing)
{
	struct console c = { 0 };

	add(&c, "\033[25;1HPress [Tab] t\033[25;14Ho edit \xe2\x94\x80\xe2\x94\x80\033[25;24Hthere\033[1;1Htop");
	CHECK_STR(console_since(&c, 0), "Press [Tab] to edit \xe2\x94\x80\xe2\x94\x80 there\ntop");
	console_free(&c);
}

/*
 * Its timer may come when a character was sent and the screen's cursor has not moved yet. The busier the machine, the
 * likelier.
 */
TEST(a_cursor_that_comes_back_ends_nothing)
{
	struct console c = { 0 };

	add(&c, "\033c\033[?7l\033[2JBoot e\033[01;06H\033[01;07Hrror");
	add(&c, "\033[24;01HBooting k\033[24;09H\033[24;10Hernel fai\033[24;18H\033[24;19Hled");
	/* The last row: what is said of rows stays the same. */
	add(&c, "\r\n\r\n\r\n\r\nno\033[25;02H\033[25;03H init\033[24;08Hmore\033[25;02H\r\n.");
	CHECK_STR(console_since(&c, 0), "Boot error\nBooting kernel failed\n\n\n\nno init\nmore\n.");
	console_free(&c);
}

/* A sequence without end does not swallow what follows. */
TEST(no_sequence_is_endless)
{
	struct console c = { 0 };

	add(&c, "a\033[");
	for (int i = 0; i < 1000; i++)
		add(&c, ";");
	add(&c, "b");
	CHECK(strncmp(console_since(&c, 0), "a;;", 3) == 0);
	CHECK(strlen(console_since(&c, 0)) < 1000);
	CHECK_STR(console_line(&c, console_end(&c) - 1), "b");
	console_free(&c);
}

TEST(old_text_is_forgotten_and_positions_stay)
{
	struct console c = { 0 };
	u64 mark;

	for (int i = 0; i < 40000; i++)
		add(&c, "0123456789012345678\n");
	mark = console_end(&c);
	CHECK_U64(mark, 800000);
	add(&c, "marked");
	CHECK_STR(console_since(&c, mark), "marked");
	CHECK(c.text.len <= CONSOLE_MAX && c.dropped > 0);
	CHECK_U64(strlen(console_since(&c, 0)), c.text.len);
	CHECK_STR(console_since(&c, mark + 100), "");
	console_free(&c);
}

TEST(prompts)
{
	CHECK(console_wants_login("debian login: "));
	CHECK(console_wants_login("live-host login:"));
	CHECK(!console_wants_login("Last login: Tue"));
	CHECK(console_wants_command("root@debian:~# "));
	CHECK(console_wants_command("/ #"));
	CHECK(console_wants_command("user@debian:~$ "));
	CHECK(!console_wants_command("grub> "));
	CHECK(!console_wants_command(""));
	CHECK(!console_wants_command("   "));
}

TEST(the_tail_is_the_last_lines_with_something_in_them)
{
	struct console c = { 0 };
	char *tail;

	tail = console_tail(&c, 0, 3, " | ");
	CHECK_STR(tail, "");
	free(tail);
	add(&c, "first\nsecond  \n\n   \n\xe2\x94\x80\xe2\x94\x80 |\nthird\nlast");
	for (unsigned n = 0; n < 6; n++) {
		static const char *const want[] = { "",
			                            "last",
			                            "third | last",
			                            "second | third | last",
			                            "first | second | third | last",
			                            "first | second | third | last" };

		tail = console_tail(&c, console_end(&c), n, " | ");
		CHECK_STR(tail, want[n]);
		free(tail);
	}
	/* Of an earlier line: to where it ends, wherever in it. */
	for (u64 until = strlen("first\n"); until <= strlen("first\nsecond  "); until++) {
		tail = console_tail(&c, until, 2, " | ");
		CHECK_STR(tail, "first | second");
		free(tail);
	}
	for (int i = 0; i < 500; i++)
		add(&c, "\xe2\x94\x80");
	tail = console_tail(&c, console_end(&c), 1, " | ");
	CHECK_U64(strlen(tail), 4 + 52 * 3); /* "last", and no part of a character */
	CHECK_STR(tail + 4 + 51 * 3, "\xe2\x94\x80");
	free(tail);
	console_free(&c);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
