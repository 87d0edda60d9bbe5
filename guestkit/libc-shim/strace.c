/* SPDX-License-Identifier: Apache-2.0 */
/* --strace: a line on stderr for each system call, decoded by the letters of syscall_table.h. */
#include "guestkit/libc-shim/strace.h"

#include "guestkit/console.h"
#include "guestkit/libc-shim/syscall_entry.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define LINE       400
#define STRING_MAX 32
#define AT_FDCWD   -100

struct line {
	char text[LINE];
	size_t length;
};

#define append(line, ...)                                                               \
	((line)->length +=                                                              \
	 kit_format((line)->text + (line)->length, LINE - (line)->length, __VA_ARGS__), \
	 (line)->length = (line)->length < LINE ? (line)->length : LINE - 1)

static void append_bytes(struct line *line, uint64_t address, size_t length, bool stop_at_nul)
{
	unsigned char bytes[STRING_MAX];
	size_t shown = length < sizeof bytes ? length : sizeof bytes;
	size_t got = user_read_some(bytes, address, shown);
	size_t i;

	if (!got && length) {
		append(line, "0x%lx", address);
		return;
	}
	append(line, "\"");
	for (i = 0; i < got && !(stop_at_nul && !bytes[i]); i++) {
		if (bytes[i] == '\n')
			append(line, "\\n");
		else if (bytes[i] == '"' || bytes[i] == '\\')
			append(line, "\\%c", bytes[i]);
		else if (bytes[i] >= ' ' && bytes[i] <= '~')
			append(line, "%c", bytes[i]);
		else
			append(line, "\\x%02x", bytes[i]);
	}
	append(line, i == got && length > got ? "\"..." : "\"");
}

static void append_prot(struct line *line, uint64_t prot)
{
	append(line, "%s", prot & 7 ? "" : "PROT_NONE");
	append(line, "%s", prot & 1 ? "r" : prot & 7 ? "-" : "");
	append(line, "%s", prot & 2 ? "w" : prot & 7 ? "-" : "");
	append(line, "%s", prot & 4 ? "x" : prot & 7 ? "-" : "");
}

static void append_argument(struct line *line, char letter, const uint64_t *arg)
{
	switch (letter) {
	case 'd':
	case 'f': append(line, "%d", (int)arg[0]); break;
	case 'a':
		if ((int)arg[0] == AT_FDCWD)
			append(line, "AT_FDCWD");
		else
			append(line, "%d", (int)arg[0]);
		break;
	case 'u': append(line, "%lu", arg[0]); break;
	case 'o': append(line, "0%lo", arg[0]); break;
	case 's': append_bytes(line, arg[0], 4096, true); break;
	case 'b': append_bytes(line, arg[0], arg[1], false); break;
	case 'm': append_prot(line, arg[0]); break;
	case 'p':
		if (!arg[0]) {
			append(line, "NULL");
			break;
		}
		__attribute__((fallthrough));
	default: append(line, "0x%lx", arg[0]); break;
	}
}

void strace_print(const struct syscall_entry *entry, uint64_t number, const uint64_t *arg,
                  bool has_result, int64_t result)
{
	static struct line line;
	const char *letters = entry ? entry->arguments : "xxxxxx";

	line.length = 0;
	if (entry)
		append(&line, "%s(", entry->name);
	else
		append(&line, "syscall_%lu(", number);
	for (size_t i = 0; letters[i]; i++) {
		append(&line, "%s", i ? ", " : "");
		append_argument(&line, letters[i], &arg[i]);
	}
	if (!has_result)
		append(&line, ") ...\n");
	else if (result < 0 && result > -4096)
		append(&line, ") = -1 (errno %ld)\n", -result);
	else if (result > 0xffff)
		append(&line, ") = 0x%lx\n", (uint64_t)result);
	else
		append(&line, ") = %ld\n", result);
	kit_print("%s", line.text);
}
