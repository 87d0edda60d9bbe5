/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of what callers and libmote share, as version 0.1 has it: this compiles, or a program
 * that was compiled then no longer works. New fields take the place of reserved ones.
 */
#include <mote/mote.h>

#define AT(type, field, offset) \
	_Static_assert(__builtin_offsetof(struct type, field) == (offset), #type "." #field)
#define SIZE(type, size)   _Static_assert(sizeof(struct type) == (size), #type)
#define VALUE(name, value) _Static_assert((name) == (value), #name)

AT(mote_error, code, 0);
AT(mote_error, text, 4);
SIZE(mote_error, 1028);

AT(mote_event, type, 0);
AT(mote_event, status, 4);
AT(mote_event, signal, 8);
AT(mote_event, point, 12);
AT(mote_event, reserved, 16);
SIZE(mote_event, 64);

AT(mote_header, name, 0);
AT(mote_header, value, 8);
SIZE(mote_header, 16);

AT(mote_call_request, method, 0);
AT(mote_call_request, target, 8);
AT(mote_call_request, headers, 16);
AT(mote_call_request, header_count, 24);
AT(mote_call_request, body, 32);
AT(mote_call_request, body_size, 40);
AT(mote_call_request, timeout_ns, 48);
AT(mote_call_request, answer_max, 56);
AT(mote_call_request, reserved, 64);
SIZE(mote_call_request, 112);

AT(mote_call_answer, status, 0);
AT(mote_call_answer, reserved_status, 4);
AT(mote_call_answer, headers, 8);
AT(mote_call_answer, header_count, 16);
AT(mote_call_answer, body, 24);
AT(mote_call_answer, body_size, 32);
AT(mote_call_answer, run_ns, 40);
AT(mote_call_answer, reserved, 48);
SIZE(mote_call_answer, 96);

AT(mote_statistics, size, 0);
AT(mote_statistics, exits, 8);
AT(mote_statistics, hypercalls, 16);
AT(mote_statistics, runs, 24);
AT(mote_statistics, resets, 32);
AT(mote_statistics, reset_pages, 40);
AT(mote_statistics, make_ns, 48);
AT(mote_statistics, run_ns, 56);
AT(mote_statistics, reset_ns, 64);
_Static_assert(sizeof(struct mote_statistics) >= MOTE_STATISTICS_SIZE_0_1, "mote_statistics");
VALUE(MOTE_STATISTICS_SIZE_0_1, 72);

VALUE(MOTE_ERROR_TEXT, 1024);
VALUE(MOTE_NO_LIMIT, UINT64_MAX);

VALUE(MOTE_STATUS_INTERRUPTED, 123);
VALUE(MOTE_STATUS_TIMEOUT, 124);
VALUE(MOTE_STATUS_FAILED, 125);
VALUE(MOTE_STATUS_CANNOT_RUN, 126);
VALUE(MOTE_STATUS_NOT_FOUND, 127);
VALUE(MOTE_STATUS_SIGNAL_BASE, 128);
VALUE(MOTE_STATUS_OUT_OF_MEMORY, 137);

VALUE(MOTE_EVENT_EXITED, 1);
VALUE(MOTE_EVENT_CRASHED, 2);
VALUE(MOTE_EVENT_OUT_OF_MEMORY, 3);
VALUE(MOTE_EVENT_POINT, 4);
VALUE(MOTE_EVENT_TIMEOUT, 5);
VALUE(MOTE_EVENT_INTERRUPTED, 6);
VALUE(MOTE_EVENT_REQUEST, 7);

VALUE(MOTE_POINT_MAIN, 1);
VALUE(MOTE_POINT_LISTEN, 2);
VALUE(MOTE_POINT_MARK, 3);

/* The type of each function. */
#define TYPE(name, ...) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(name), __VA_ARGS__), #name)

TYPE(mote_version, const char *(void));
TYPE(mote_config_new, struct mote_config *(void));
TYPE(mote_config_set, int(struct mote_config *, const char *, const char *, struct mote_error *));
TYPE(mote_config_arguments,
     int(struct mote_config *, int, const char *const *, struct mote_error *));
TYPE(mote_config_streams, int(struct mote_config *, int, int, int, struct mote_error *));
TYPE(mote_config_free, void(struct mote_config *));
TYPE(mote_create, struct mote_vm *(const struct mote_config *, struct mote_error *));
TYPE(mote_restore, struct mote_vm *(const struct mote_config *, const char *, struct mote_error *));
TYPE(mote_run, int(struct mote_vm *, uint64_t, struct mote_event *, struct mote_error *));
TYPE(mote_interrupt, void(struct mote_vm *));
TYPE(mote_snapshot, int(struct mote_vm *, const char *, struct mote_error *));
TYPE(mote_reset, int(struct mote_vm *, struct mote_error *));
TYPE(mote_call, int(struct mote_vm *, const struct mote_call_request *, struct mote_call_answer *,
                    struct mote_error *));
TYPE(mote_statistics, int(const struct mote_vm *, struct mote_statistics *, struct mote_error *));
TYPE(mote_close, void(struct mote_vm *));
TYPE(mote_kick_signal, int(void));
TYPE(mote_recover, void(const void *));
