/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace as a flame graph: an SVG image in which the width of a box is the time that it took.
 *
 * How it works. What lasts is nested by time: a page fault in a system call in a phase. Things of
 * the same name in the same place become one box, with the sum of their times and their number.
 * What reaches beyond that in which it began is cut there. The boxes are in the order in which they
 * came first, so that the image reads from the beginning of the start to its end.
 */
#include <stdlib.h>
#include <string.h>

#include "measure/trace_report.h"
#include "measure/trace_spans.h"
#include "measure/xml.h"

#define WIDTH       1200.0
#define ROW         20
#define TOP         40
#define DEPTH_MAX   32
#define CHARACTER   7.0 /* width of one, about */
#define WIDTH_LEAST 0.2

struct node {
	const char *name;
	enum trace_span_kind kind;
	double us;
	size_t times;
	struct node *child, *last, *next;
};

struct open_span {
	struct node *node;
	double to;
};

static struct node *child_of(struct node *parent, const char *name, enum trace_span_kind kind)
{
	struct node *node = parent->child;

	while (node && (node->kind != kind || strcmp(node->name, name) != 0))
		node = node->next;
	if (node)
		return node;
	node = calloc(1, sizeof *node);
	if (!node)
		return NULL;
	node->name = name;
	node->kind = kind;
	if (parent->last)
		parent->last->next = node;
	else
		parent->child = node;
	parent->last = node;
	return node;
}

static int build(struct node *root, const struct trace_spans *spans, double total)
{
	struct open_span open[DEPTH_MAX] = {{root, total}};
	int depth = 0;

	root->us = total;
	root->times = 1;
	for (size_t i = 0; i < spans->count; i++) {
		const struct trace_span *span = &spans->span[i];
		double to;

		/* That the vCPU runs is the phases' own time. */
		if (span->kind == TRACE_SPAN_GUEST)
			continue;
		while (depth > 0 && open[depth].to <= span->from)
			depth--;
		if (depth == DEPTH_MAX - 1)
			continue;
		to = span->to < open[depth].to ? span->to : open[depth].to;
		open[depth + 1].node = child_of(open[depth].node, span->name, span->kind);
		if (!open[depth + 1].node)
			return -1;
		depth++;
		open[depth].to = to;
		open[depth].node->us += to > span->from ? to - span->from : 0;
		open[depth].node->times++;
	}
	return 0;
}

static void give_back(struct node *node)
{
	while (node) {
		struct node *next = node->next;

		give_back(node->child);
		free(node);
		node = next;
	}
}

static int depth_of(const struct node *node)
{
	int deepest = 0;

	for (const struct node *child = node->child; child; child = child->next) {
		int depth = depth_of(child);

		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + 1;
}

static void draw(const struct node *node, double x, int row, double scale, FILE *to)
{
	static const char *const colours[] = {"#cfd8dc", "#cfd8dc", "#ef9a9a",
	                                      "#ffcc80", "#fff59d", "#e0e0e0"};
	double width = node->us * scale;
	size_t fits = width > CHARACTER ? (size_t)(width / CHARACTER) : 0;
	char label[128];

	if (width < WIDTH_LEAST)
		return;
	fprintf(to, "<g><title>%s: ", trace_span_kind_name[node->kind]);
	xml_write(node->name, to);
	fprintf(to, ", %.1f us, %zu times</title>", node->us, node->times);
	fprintf(to, "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\"/>", x,
	        TOP + row * ROW, width, ROW - 1, colours[node->kind]);
	snprintf(label, sizeof label, "%s %.0f us", node->name, node->us);
	if (fits >= 3) {
		if (fits < strlen(label))
			label[fits] = '\0';
		fprintf(to, "<text x=\"%.2f\" y=\"%d\">", x + 3, TOP + row * ROW + 14);
		xml_write(label, to);
		fputs("</text>", to);
	}
	fputs("</g>\n", to);
	for (const struct node *child = node->child; child; child = child->next) {
		draw(child, x, row + 1, scale, to);
		x += child->us * scale;
	}
}

int trace_flame(const struct trace_log *log, FILE *to)
{
	struct node root = {.name = log->application, .kind = TRACE_SPAN_PHASE};
	struct trace_spans spans;
	int status, height;

	if (trace_spans_find(&spans, log))
		return -1;
	status = build(&root, &spans, log->total_us);
	height = TOP + ROW * depth_of(&root) + 10;
	fprintf(to,
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%d\" "
	        "viewBox=\"0 0 %.0f %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
	        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text x=\"3\" y=\"20\" "
	        "font-size=\"15\">",
	        WIDTH, height, WIDTH, height);
	xml_write(log->application, to);
	fprintf(to, " on %s: %.0f us</text>\n", log->backend, log->total_us);
	if (status == 0 && log->total_us > 0)
		draw(&root, 0, 0, WIDTH / log->total_us, to);
	fputs("</svg>\n", to);
	give_back(root.child);
	trace_spans_free(&spans);
	return status || ferror(to) ? -1 : 0;
}
