/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a trace, and what is made of it: good logs, cut and changed ones, nesting. */
#include <criterion/criterion.h>

#include "../../measure/trace_flame.c"
#define add     add_symbol
#define compare compare_symbols
#include "../../measure/trace_symbols.c"
#undef add
#undef compare
#define string json_string_of
#include "../../measure/trace_json.c"
#undef string
#include "../../measure/trace_log.c"
#include "../../measure/trace_spans.c"
#include "../../measure/trace_text.c"
#include "../../measure/xml.c"

#define KHZ 1000000u /* a tick is a nanosecond */
#define US  1000u

/* A start of 1000 us with two exits, two system calls, a page fault inside one, and three pages. */
static const struct trace_record good[] = {
        {TRACE_HEAD, TRACE_VERSION, {TRACE_MAGIC, KHZ, 4, 1 << 20, 5}},
        {TRACE_IMAGE, TRACE_IMAGE_KIT, {0, 0, 0, 0x4000, MOTE_WINDOW_VA}},
        {TRACE_TEXT, TRACE_TEXT_APPLICATION, {0x6f6c6c6568}}, /* hello */
        {TRACE_TEXT, TRACE_TEXT_BACKEND, {0x6d766b}},
        {TRACE_SAMPLE, 1, {1290 * US, 1300 * US}},
        {TRACE_EXIT, 1, {1300 * US, 1600 * US, 1650 * US, 0x1234, 1}},
        {TRACE_CALL, 20, {1550 * US, 1700 * US, 5, 0x5678, 1}},
        {TRACE_FAULT, 2, {1560 * US, 1570 * US, 0x9000, 0x5678, 1}},
        {TRACE_SAMPLE, 2, {1650 * US, 1660 * US}},
        {TRACE_EXIT, 4, {1660 * US, 1900 * US, 1910 * US, 0x1234, 0}},
        {TRACE_CALL, 231, {1800 * US, 0, 0, 0x5678, 1}},
        {TRACE_MOMENT, TRACE_MOMENT_MAIN, {1000 * US}},
        {TRACE_MOMENT, TRACE_MOMENT_OPENED, {1100 * US}},
        {TRACE_MOMENT, TRACE_MOMENT_RUN, {1300 * US}},
        {TRACE_MOMENT, TRACE_MOMENT_ENDED, {2000 * US}},
        {TRACE_MOMENT, TRACE_MOMENT_KIT, {1400 * US}},
        {TRACE_MOMENT, TRACE_MOMENT_APPLICATION, {1500 * US}},
        {TRACE_MOMENT, TRACE_MOMENT_EXIT, {1800 * US}},
        {TRACE_PAGE, TRACE_PAGE_BEFORE | TRACE_PAGE_BACKED, {0x1000, 0, 0, 1, 1}},
        {TRACE_PAGE, TRACE_PAGE_USED | TRACE_PAGE_BACKED, {0x2000, MOTE_WINDOW_VA, 2, 2, 1}},
        {TRACE_PAGE, TRACE_PAGE_BACKED, {0x9000, 0, 0, 2, 1}},
        {TRACE_END, 3, {2, 0, 2, 2, 21}},
};

#define GOOD (sizeof good / sizeof *good)

static struct mote_error err;

static char *made(const struct trace_log *log, int form)
{
	struct trace_symbols symbols = {.count = 0};
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_eq(trace_symbols_find(&symbols, log), 0);
	cr_expect_eq(form == 0   ? trace_text(log, &symbols, file)
	             : form == 1 ? trace_json(log, &symbols, file)
	                         : trace_flame(log, file),
	             0);
	fclose(file);
	trace_symbols_free(&symbols);
	return text;
}

static void expect_in(const char *text, const char *part)
{
	cr_expect_not_null(strstr(text, part), "no '%s' in:\n%s", part, text);
}

Test(trace_log, has_phases_without_gaps)
{
	struct trace_log log;

	cr_assert_eq(trace_log_read(&log, "t", good, sizeof good, &err), 0, "%s", err.text);
	cr_expect_float_eq(log.total_us, 1000, 1e-6);
	cr_expect_str_eq(log.application, "hello");
	cr_expect_str_eq(log.backend, "kvm");
	cr_expect_float_eq(log.phases[0].to, 100, 1e-6);
	/* Moments that were not reached make empty phases. */
	cr_expect_str_eq(log.phases[1].name, "create_vm");
	cr_expect_eq(log.phases[1].from, log.phases[1].to);
	for (int i = 1; i < TRACE_PHASES; i++)
		cr_expect_eq(log.phases[i].from, log.phases[i - 1].to);
	cr_expect_float_eq(log.phases[TRACE_PHASES - 1].to, 1000, 1e-6);
	cr_expect_float_eq(trace_log_sampling(&log, 0, 1000), 20, 1e-6);
	cr_expect_float_eq(trace_log_sampling(&log, 655, 1000), 5, 1e-6);
	cr_expect_eq(trace_image_at(&log, 0x3fff), TRACE_IMAGE_KIT);
	cr_expect_eq(trace_image_at(&log, 0x4000), TRACE_IMAGES);
	trace_log_free(&log);
}

Test(trace_log, refuses_what_is_not_whole_and_says_why)
{
	static const struct {
		size_t size;
		const char *why;
	} cut[] = {
	        {0, "cannot use the trace t: it is no trace of mote run --trace"},
	        {sizeof *good - 1, "cannot use the trace t: it is no trace of mote run --trace"},
	        {sizeof *good, "cannot use the trace t: it is not whole: the run was ended from "
	                       "outside"},
	        {sizeof good - 1, "cannot use the trace t: it is not whole: the run was ended from "
	                          "outside"},
	};
	struct trace_record bad[GOOD];
	struct trace_log log;

	for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
		cr_expect_eq(trace_log_read(&log, "t", good, cut[i].size, &err), -1);
		cr_expect_str_eq(err.text, cut[i].why);
		trace_log_free(&log);
	}
	memcpy(bad, good, sizeof good);
	bad[0].code++;
	cr_expect_eq(trace_log_read(&log, "t", bad, sizeof bad, &err), -1);
	cr_expect_str_eq(err.text, "cannot use the trace t: it is of another version of mote");
	memcpy(bad, good, sizeof good);
	bad[7].kind = TRACE_KIND_COUNT;
	cr_expect_eq(trace_log_read(&log, "t", bad, sizeof bad, &err), -1);
	cr_expect_str_eq(err.text, "cannot use the trace t: it is damaged");
	trace_log_free(&log);
}

Test(trace_log, survives_any_byte_changed)
{
	struct trace_record bad[GOOD];
	static const unsigned char values[] = {0, 1, 9, 0x7f, 0x80, 0xff};

	for (size_t i = 0; i < sizeof good; i++) {
		for (size_t j = 0; j < sizeof values; j++) {
			struct trace_log log;

			memcpy(bad, good, sizeof good);
			((unsigned char *)bad)[i] = values[j];
			if (trace_log_read(&log, "t", bad, sizeof bad, &err) == 0)
				for (int form = 0; form < 3; form++)
					free(made(&log, form));
			trace_log_free(&log);
		}
	}
}

Test(trace_text, times_are_without_those_of_sampling)
{
	struct trace_log log;
	char *text;

	cr_assert_eq(trace_log_read(&log, "t", good, sizeof good, &err), 0);
	text = made(&log, 0);
	expect_in(text, "hello on kvm: 980.0 us from main");
	expect_in(text, "application             290.0        1        1        1       50.0\n");
	expect_in(text, "system call  exit_group                      1      200.0      200.0\n");
	expect_in(text, "system call  writev                          1      140.0      140.0\n");
	expect_in(text, "kit                                     2        1        1\n");
	expect_in(text, "until exit console_write, 650.0 us: 1 pages used first, 2 backed\n");
	free(text);
	trace_log_free(&log);
}

Test(trace_json, gives_each_thing_its_track)
{
	struct trace_log log;
	char *text;

	cr_assert_eq(trace_log_read(&log, "t", good, sizeof good, &err), 0);
	text = made(&log, 1);
	expect_in(text, "\"tid\":101,\"ts\":550.000,\"dur\":150.000,\"cat\":\"system "
	                "call\",\"name\":\"writev\",\"args\":{\"at\":\"0x5678\",\"result\":5}");
	expect_in(text,
	          "\"name\":\"fault to write\",\"args\":{\"at\":\"0x5678\",\"address\":\"0x9000\","
	          "\"is_write\":true}");
	expect_in(text, "\"tid\":2,\"ts\":600.000,\"dur\":50.000,\"cat\":\"exit\",\"name\":"
	                "\"console_write\"");
	free(text);
	trace_log_free(&log);
}

Test(trace_flame, nests_by_time_and_cuts_what_reaches_beyond)
{
	struct node root = {.name = "root"}, *phase, *call;
	struct trace_spans spans;
	struct trace_log log;

	cr_assert_eq(trace_log_read(&log, "t", good, sizeof good, &err), 0);
	cr_assert_eq(trace_spans_find(&spans, &log), 0);
	cr_assert_eq(build(&root, &spans, log.total_us), 0);
	phase = root.child;
	while (phase && strcmp(phase->name, "application") != 0)
		phase = phase->next;
	cr_assert_not_null(phase);
	call = phase->child;
	cr_assert_str_eq(call->name, "writev");
	cr_expect_float_eq(call->us, 150, 1e-6);
	cr_assert_str_eq(call->child->name, "fault to write");
	cr_assert_str_eq(call->child->next->name, "console_write");
	cr_assert_str_eq(call->child->next->next->name, "tracing");
	cr_expect_null(phase->child->next, "exit_group began with the next phase");
	give_back(root.child);
	trace_spans_free(&spans);
	trace_log_free(&log);
}
