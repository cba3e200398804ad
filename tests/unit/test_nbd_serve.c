/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server before QEMU's own client (qemu-io, qemu-img), and before clients that nobody should be. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "src/media/device_test.h"
#include "src/media/nbd_serve.h"
#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

#define SIZE (64 * MIB)

#define EXPORT "driver=nbd,server.type=fd,server.str=9"

struct service {
	struct nbd_server *server;
	int fd;
};

static bool begin(struct device *d, struct service *ret)
{
	AUTO_ERR struct err e = { 0 };

	return CHECK_OK(nbd_serve_start(d, &ret->server, &ret->fd, &e), &e);
}

/* For a client that is another program: descriptor 9, which it inherits. */
static void hand_over(struct service *s)
{
	CHECK(dup2(s->fd, 9) == 9);
	close(s->fd);
	s->fd = 9;
}

static int end(struct service *s, struct err *e)
{
	close(s->fd);
	return nbd_serve_stop(s->server, e);
}

static bool has_qemu_io(void)
{
	return sandbox_run("command -v qemu-io && command -v qemu-img") == 0;
}

TEST(qemu_reads_what_is_there_and_writes_what_stays)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", SIZE, 512);
	AUTO_FREE u8 *bytes = xcalloc(1, 6 * MIB);
	AUTO_ERR struct err e = { 0 };
	struct nbd_counts counts;
	struct service s;

	if (!has_qemu_io())
		test_skip("qemu-io is not installed");
	memset(bytes, 0x5a, 6 * MIB);
	CHECK_OK(device_write(d, MIB, bytes, 6 * MIB, &e), &e);
	if (!begin(d, &s))
		return;
	hand_over(&s);
	CHECK_U64(sandbox_run("qemu-io --image-opts " EXPORT " -c 'read -P 0 0 1M' -c 'read -P 0x5a 1M 6M' "
	                      "-c 'write -P 0x77 3M 3M' -c 'write -P 0x11 67108352 512' -c flush "
	                      "-c 'read -P 0x77 3M 3M' -c 'write -f -P 0x33 0 4k' -c 'read -P 0x11 67108352 512'"),
	          0);
	CHECK(!strstr(sandbox_said(), "failed"));
	CHECK(!strstr(sandbox_said(), "rror"));
	counts = nbd_serve_counts(s.server);
	CHECK_U64(counts.written, 3 * MIB + 512 + 4096);
	CHECK(counts.read >= 10 * MIB && counts.flushes >= 1 && counts.requests > 8);
	CHECK_OK(end(&s, &e), &e);
	CHECK_OK(device_read(d, 3 * MIB, bytes, 3 * MIB, &e), &e);
	CHECK(bytes[0] == 0x77 && bytes[3 * MIB - 1] == 0x77);
	CHECK_OK(device_read(d, SIZE - 512, bytes, 512, &e), &e);
	CHECK(bytes[0] == 0x11 && bytes[511] == 0x11);
	CHECK_OK(device_read(d, 0, bytes, 4096, &e), &e);
	CHECK(bytes[0] == 0x33 && bytes[4095] == 0x33);
}

TEST(qemu_sees_size_and_sectors)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", SIZE, 4096);
	AUTO_ERR struct err e = { 0 };
	struct service s;

	if (!has_qemu_io())
		test_skip("qemu-io is not installed");
	if (!begin(d, &s))
		return;
	hand_over(&s);
	CHECK_U64(sandbox_run("qemu-img info --output=json --image-opts " EXPORT), 0);
	CHECK(strstr(sandbox_said(), "\"virtual-size\": 67108864") != NULL);
	CHECK_OK(end(&s, &e), &e);
	/* half a sector is made whole by the client */
	if (!begin(d, &s))
		return;
	hand_over(&s);
	CHECK_U64(sandbox_run("qemu-io --image-opts " EXPORT
	                      " -c 'write -P 9 512 512' -c 'read -P 9 512 512' -c 'read -P 0 0 512'"),
	          0);
	CHECK(!strstr(sandbox_said(), "failed"));
	CHECK_OK(end(&s, &e), &e);
}

TEST(errors_of_the_device_reach_both)
{
	AUTO_DEVICE struct device *memory = device_new_memory("stick", SIZE, 512);
	AUTO_DEVICE struct device *d = device_new_failing(memory, (struct fault){ .at_write = 2, .error = EIO });
	AUTO_ERR struct err e = { 0 };
	struct service s;

	if (!has_qemu_io())
		test_skip("qemu-io is not installed");
	if (!begin(d, &s))
		return;
	hand_over(&s);
	CHECK(sandbox_run("qemu-io --image-opts " EXPORT " -c 'write -P 1 0 4k' -c 'write -P 2 8k 4k' "
	                  "-c 'write -P 3 16k 4k' -c 'read -P 3 16k 4k'") != 0);
	CHECK(strstr(sandbox_said(), "Input/output error") != NULL);
	CHECK(end(&s, &e) == -EIO);
	CHECK_STR(e.text, "stick: write at byte 8192: Input/output error");
}

/* ---- clients by hand */

static void say(const struct service *s, const void *bytes, size_t len)
{
	CHECK(send(s->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

/* Exactly `len` bytes; false at the end. */
static bool hear(const struct service *s, void *bytes, size_t len)
{
	return recv(s->fd, bytes, len, MSG_WAITALL) == (ssize_t)len;
}

static void shake_hands(const struct service *s)
{
	static const u8 go[] = "\0\0\0\3IHAVEOPT\0\0\0\7\0\0\0\6\0\0\0\0\0";
	u8 answer[18 + 20 + 12 + 20 + 14 + 20];

	say(s, go, 4 + 16 + 6);
	if (!hear(s, answer, sizeof(answer)))
		CHECK(!"the handshake is answered");
	CHECK(memcmp(answer, "NBDMAGICIHAVEOPT\0\3", 18) == 0);
	CHECK(memcmp(answer + 18 + 20, "\0\0\0\0\0\0\4\0\0\0\0\15", 12) == 0);
}

static void request(const struct service *s, u8 type, u64 off, u32 len)
{
	u8 q[28] = { 0x25, 0x60, 0x95, 0x13, 0, 0, 0, type, 'c', 'o', 'o', 'k', 'i', 'e', '-', '1' };

	for (int i = 0; i < 8; i++)
		q[16 + i] = (u8)(off >> (56 - 8 * i));
	for (int i = 0; i < 4; i++)
		q[24 + i] = (u8)(len >> (24 - 8 * i));
	say(s, q, sizeof(q));
}

static void check_answer(const struct service *s, u8 error)
{
	const u8 want[16] = { 0x67, 0x44, 0x66, 0x98, 0, 0, 0, error, 'c', 'o', 'o', 'k', 'i', 'e', '-', '1' };
	u8 got[16] = { 0 };

	CHECK(hear(s, got, sizeof(got)));
	CHECK(memcmp(got, want, sizeof(want)) == 0);
}

TEST(requests_that_cannot_be_are_answered_by_an_error)
{
	AUTO_DEVICE struct device *d = device_new_memory("stick", SIZE, 512);
	AUTO_ERR struct err e = { 0 };
	u8 sector[512] = "sector";
	struct service s;

	if (!begin(d, &s))
		return;
	shake_hands(&s);
	request(&s, 0, SIZE, 512);
	check_answer(&s, 22);
	request(&s, 0, UINT64_MAX - 511, 1024);
	check_answer(&s, 22);
	request(&s, 0, 100, 512);
	check_answer(&s, 22);
	request(&s, 77, 0, 512);
	check_answer(&s, 22);
	request(&s, 1, SIZE - 256, 512);
	say(&s, sector, 512);
	check_answer(&s, 28);
	request(&s, 1, 1024, 512);
	say(&s, sector, 512);
	check_answer(&s, 0);
	request(&s, 0, 1024, 512);
	check_answer(&s, 0);
	memset(sector, 0, 512);
	CHECK(hear(&s, sector, 512));
	CHECK_STR((char *)sector, "sector");
	request(&s, 2, 0, 0); /* DISC: no answer, the end */
	CHECK(!hear(&s, sector, 1));
	CHECK_OK(end(&s, &e), &e);
}

TEST(what_is_no_client_is_let_go)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *says;
	} cases[] = {
		{ "\xff\0\0\0", 4, "unknown flags 0xff000000" },
		{ "\0\0\0\1GET / HTTP/1.1\r\n\r\n", 22, "makes no sense" },
		{ "\0\0\0\3IHAVEOPT\0\0\0\7\0\1\0\0", 20, "option 7 makes no sense" },
	};
	AUTO_DEVICE struct device *d = device_new_memory("stick", SIZE, 512);
	AUTO_ERR struct err e = { 0 };
	struct service s;
	u8 rest[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!begin(d, &s))
			return;
		say(&s, cases[i].bytes, cases[i].len);
		while (recv(s.fd, rest, sizeof(rest), 0) > 0)
			;
		CHECK_FAILS(end(&s, &e), &e, cases[i].says);
	}
	/* too much at once, and no request at all */
	for (int i = 0; i < 2; i++) {
		if (!begin(d, &s))
			return;
		shake_hands(&s);
		if (i == 0)
			request(&s, 0, 0, 1U << 31);
		else
			say(&s, "0123456789012345678901234567", 28);
		while (recv(s.fd, rest, sizeof(rest), 0) > 0)
			;
		CHECK_FAILS(end(&s, &e), &e, i == 0 ? "a request for 2147483648 bytes" : "a request makes no sense");
	}
}

/* Options that are not known are refused, and the handshake goes on; a client may leave at any time. */
TEST(the_handshake_is_patient)
{
	static const u8 structured[] = "\0\0\0\3IHAVEOPT\0\0\0\10\0\0\0\0", list[] = "IHAVEOPT\0\0\0\3\0\0\0\0",
	                old[] = "IHAVEOPT\0\0\0\1\0\0\0\4name";
	AUTO_DEVICE struct device *d = device_new_memory("stick", SIZE, 512);
	AUTO_ERR struct err e = { 0 };
	struct service s;
	u8 got[64];

	if (!begin(d, &s))
		return;
	say(&s, structured, 20);
	CHECK(hear(&s, got, 18 + 20));
	CHECK(memcmp(got + 18, "\0\3\xe8\x89\x04\x55\x65\xa9\0\0\0\10\x80\0\0\1\0\0\0\0", 20) == 0);
	say(&s, list, 16);
	CHECK(hear(&s, got, 24 + 20));
	CHECK(memcmp(got + 8, "\0\0\0\3\0\0\0\2\0\0\0\4\0\0\0\0", 16) == 0);
	say(&s, old, 20);
	CHECK(hear(&s, got, 10));
	CHECK(memcmp(got, "\0\0\0\0\4\0\0\0\0\15", 10) == 0);
	request(&s, 3, 0, 0);
	check_answer(&s, 0);
	CHECK_U64(nbd_serve_counts(s.server).flushes, 1);
	CHECK_OK(end(&s, &e), &e);
	/* gone at once; and stopped while the client says nothing */
	if (begin(d, &s))
		CHECK_OK(end(&s, &e), &e);
	if (begin(d, &s)) {
		CHECK_OK(nbd_serve_stop(s.server, &e), &e);
		close(s.fd);
	}
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
