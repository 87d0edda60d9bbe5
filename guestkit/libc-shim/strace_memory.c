/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What arguments point to, for --strace.
 *
 * The application's memory is copied out (user.h), so a bad pointer is shown as a number. As strace
 * does, buffers are cut at 32 bytes and lists at 32 elements; paths are shown as they are.
 */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <linux/eventpoll.h>
#include <linux/prctl.h>
#include <linux/uio.h>

#include "guestkit/libc-shim/strace_line.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define STRING_MAX     32
#define PATH_SHOWN     4096
#define LIST_MAX       32
#define ROOM_KEPT      300
#define NAME_MAX_SHOWN 16 /* PR_SET_NAME */

void strace_append_pointer(struct strace_line *line, uint64_t address)
{
	if (address)
		strace_append(line, "0x%lx", address);
	else
		strace_append(line, "NULL");
}

/* A path or a list that takes all there is leaves this much for what is behind it. */
static bool has_room(const struct strace_line *line)
{
	return line->size - line->length > ROOM_KEPT;
}

/* ---- text ---- */

static void append_byte(struct strace_line *line, unsigned char byte, bool is_digit_next)
{
	static const char escapes[] = "tnvfr"; /* 9 to 13 */

	if (byte == '"' || byte == '\\')
		strace_append(line, "\\%c", byte);
	else if (byte >= ' ' && byte <= '~')
		strace_append(line, "%c", byte);
	else if (byte >= '\t' && byte <= '\r')
		strace_append(line, "\\%c", escapes[byte - '\t']);
	else if (is_digit_next)
		strace_append(line, "\\%03o", byte);
	else
		strace_append(line, "\\%o", byte);
}

void strace_append_bytes(struct strace_line *line, const unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		append_byte(line, bytes[i],
		            i + 1 < length && bytes[i + 1] >= '0' && bytes[i + 1] <= '7');
}

static void append_buffer(struct strace_line *line, uint64_t address, uint64_t length)
{
	unsigned char bytes[STRING_MAX];
	size_t shown = length < sizeof bytes ? length : sizeof bytes;

	if (!address || user_read(bytes, address, shown)) {
		strace_append_pointer(line, address);
		return;
	}
	strace_append(line, "\"");
	strace_append_bytes(line, bytes, shown);
	strace_append(line, length > shown ? "\"..." : "\"");
}

/* A string in pieces, so that none of the kit's stack is needed for a whole path. */
void strace_append_string(struct strace_line *line, uint64_t address, size_t max)
{
	unsigned char bytes[STRING_MAX];
	size_t start = line->length, done = 0, got, length;

	strace_append(line, "\"");
	do {
		got = user_read_some(bytes, address + done, sizeof bytes);
		length = strnlen((const char *)bytes, got);
		if (length > max - done)
			length = max - done;
		strace_append_bytes(line, bytes, length);
		done += length;
	} while (length == sizeof bytes && done < max && has_room(line));
	if (done < max && length == got &&
	    length < sizeof bytes) { /* it runs into what cannot be read */
		line->length = start;
		strace_append_pointer(line, address);
		return;
	}
	strace_append(line, length < got && !bytes[length] ? "\"" : "\"...");
}

/* ---- lists ---- */

typedef void append_element(struct strace_line *line, const void *element);

/* An array in the application's memory; @more: what is written where elements are left out. */
static void append_list(struct strace_line *line, uint64_t address, uint64_t count, size_t size,
                        append_element *append)
{
	_Alignas(8) unsigned char element[16];

	if (!address || (count && user_read(element, address, size))) {
		strace_append_pointer(line, address);
		return;
	}
	strace_append(line, "[");
	for (uint64_t i = 0; i < count; i++) {
		strace_append(line, "%s", i ? ", " : "");
		if (i == LIST_MAX || !has_room(line) ||
		    user_read(element, address + i * size, size)) {
			strace_append(line, "...");
			break;
		}
		append(line, element);
	}
	strace_append(line, "]");
}

static void append_polled_fd(struct strace_line *line, const void *element)
{
	const struct pollfd *poll = element;

	strace_append(line, "{fd=%d, events=", poll->fd);
	strace_append_value(line, STRACE_EVENTS_OF_POLL, (uint16_t)poll->events);
	strace_append(line, "}");
}

void strace_append_polled(struct strace_line *line, uint64_t fds, uint64_t count)
{
	const char *between = "";
	struct pollfd poll;

	strace_append(line, " ([");
	for (uint64_t i = 0; i < count && i < LIST_MAX; i++) {
		if (user_read(&poll, fds + i * sizeof poll, sizeof poll) || !poll.revents)
			continue;
		strace_append(line, "%s{fd=%d, revents=", between, poll.fd);
		strace_append_value(line, STRACE_EVENTS_OF_POLL, (uint16_t)poll.revents);
		strace_append(line, "}");
		between = ", ";
	}
	strace_append(line, "])");
}

static void append_int(struct strace_line *line, const void *element)
{
	strace_append(line, "%d", *(const int *)element);
}

static void append_string_pointer(struct strace_line *line, const void *element)
{
	strace_append_string(line, *(const uint64_t *)element, STRING_MAX);
}

/* The elements of an argument vector, up to its NULL. */
static uint64_t count_pointers(uint64_t address)
{
	uint64_t count = 0, pointer;

	while (count <= LIST_MAX && !user_read(&pointer, address + 8 * count, 8) && pointer)
		count++;
	return count;
}

/* @filled: bytes that the buffers hold */
void strace_append_vector(struct strace_line *line, uint64_t address, uint64_t count,
                          uint64_t filled)
{
	struct iovec vector;

	if (!address || (count && user_read(&vector, address, sizeof vector))) {
		strace_append_pointer(line, address);
		return;
	}
	strace_append(line, "[");
	for (uint64_t i = 0; i < count; i++) {
		strace_append(line, "%s", i ? ", " : "");
		if (i == LIST_MAX || !has_room(line) ||
		    user_read(&vector, address + i * sizeof vector, sizeof vector)) {
			strace_append(line, "...");
			break;
		}
		uint64_t length = vector.iov_len < filled ? vector.iov_len : filled;

		strace_append(line, "{iov_base=");
		append_buffer(line, (uint64_t)vector.iov_base, length);
		strace_append(line, ", iov_len=%lu}", (uint64_t)vector.iov_len);
		filled -= length;
	}
	strace_append(line, "]");
}

/* ---- by letter ---- */

static bool append_window_size(struct strace_line *line, uint64_t address)
{
	uint16_t size[4];

	if (user_read(size, address, sizeof size))
		return false;
	strace_append(line, "{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", size[0], size[1],
	              size[2], size[3]);
	return true;
}

bool strace_is_out(char letter)
{
	const struct strace_structure *structure = strace_find_structure(letter);

	return structure ? structure->is_out : letter && strchr("B1J2ZVzj6+", letter);
}

/* What the request of an ioctl, the argument before, has in store. */
static void append_ioctl(struct strace_line *line, const uint64_t *arg)
{
	uint32_t request = (uint32_t)arg[-1];

	if (request == FIONREAD)
		append_list(line, arg[0], 1, sizeof(int), append_int);
	else if (request != TIOCGWINSZ || !append_window_size(line, arg[0]))
		strace_append_pointer(line, arg[0]);
}

/* What the option of prctl, the argument before, has in store. */
static void append_prctl(struct strace_line *line, const uint64_t *arg)
{
	if (arg[-1] == PR_SET_NAME || arg[-1] == PR_GET_NAME)
		strace_append_string(line, arg[0], NAME_MAX_SHOWN);
	else
		strace_append(line, arg[0] ? "0x%lx" : "0", arg[0]);
}

static void append_out(struct strace_line *line, char letter, const uint64_t *arg, int64_t result)
{
	uint64_t filled = result > 0 ? (uint64_t)result : 0;
	int length;

	switch (letter) {
	case 'B': append_buffer(line, arg[0], filled); break;
	case '1': strace_append_string(line, arg[0], PATH_SHOWN); break;
	case 'J': strace_append_vector(line, arg[0], arg[1], filled); break;
	case '2': append_list(line, arg[0], 2, sizeof(int), append_int); break;
	case 'z': append_list(line, arg[0], 1, sizeof(int), append_int); break;
	case 'Z':
		append_list(line, arg[0], filled, sizeof(struct epoll_event),
		            strace_append_epoll_event);
		break;
	case 'V':
		if (user_read(&length, arg[1], sizeof length))
			strace_append_pointer(line, arg[0]);
		else
			strace_append_socket_address(line, arg[0],
			                             length > 0 ? (uint64_t)length : 0);
		break;
	case 'j': append_ioctl(line, arg); break;
	case '6': append_prctl(line, arg); break;
	case '+': strace_append_message(line, arg[0], filled); break;
	}
}

bool strace_append_pointee(struct strace_line *line, char letter, const uint64_t *arg, bool has_out,
                           int64_t result)
{
	const struct strace_structure *structure = strace_find_structure(letter);

	if (strace_is_out(letter) && !has_out) {
		strace_append_pointer(line, arg[0]);
		return true;
	}
	if (structure) {
		if (!arg[0] || !structure->append(line, arg[0]))
			strace_append_pointer(line, arg[0]);
		return true;
	}
	switch (letter) {
	case 'p': strace_append_pointer(line, arg[0]); return true;
	case 's': strace_append_string(line, arg[0], PATH_SHOWN); return true;
	case 'b': append_buffer(line, arg[0], arg[1]); return true;
	case 'I': strace_append_vector(line, arg[0], arg[1], UINT64_MAX); return true;
	case 'P':
		append_list(line, arg[0], (uint32_t)arg[1], sizeof(struct pollfd),
		            append_polled_fd);
		return true;
	case '0':
		append_list(line, arg[0], count_pointers(arg[0]), 8, append_string_pointer);
		return true;
	case 'X': strace_append_socket_address(line, arg[0], arg[1]); return true;
	case '*': strace_append_message(line, arg[0], UINT64_MAX); return true;
	}
	if (!strace_is_out(letter))
		return false;
	append_out(line, letter, arg, result);
	return true;
}
