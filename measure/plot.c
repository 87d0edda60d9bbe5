/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SVG image of a result: how times are distributed, and the phases of a start.
 *
 * How it works. Panels stand below one another. A panel of a distribution has a histogram, the
 * share of runs that were at most that fast (the empirical distribution function) as a line, and
 * the median with its 95 % interval. Its axis ends behind p99: what is slower is named, not drawn.
 * The last panel has the phases of a start as bars, each where the one before ends.
 */
#include <stdlib.h>
#include <string.h>

#include "measure/report.h"
#include "measure/xml.h"

#define WIDTH       820
#define LEFT        60
#define PLOT_WIDTH  720
#define PANEL       230 /* height of a distribution's panel */
#define PLOT_HEIGHT 140
#define TITLE       40 /* from the top of a panel to its plot */
#define BINS        48
#define ROW         22 /* of a phase */
#define TICKS       6

static void text_at(double x, double y, const char *anchor, const char *text, FILE *to)
{
	fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	xml_write(text, to);
	fputs("</text>\n", to);
}

static void number_at(double x, double y, const char *anchor, double number, const char *unit,
                      FILE *to)
{
	char text[48];

	snprintf(text, sizeof text, "%.4g%s", number, unit);
	text_at(x, y, anchor, text, to);
}

struct scale {
	double low, high, top;
	double divisor; /* of us, for the numbers that are shown */
	const char *unit;
};

static void axis(const struct scale *scale, FILE *to)
{
	double y = scale->top + PLOT_HEIGHT;

	fprintf(to, "<path d=\"M%d %.1fH%d\" class=\"axis\"/>\n", LEFT, y, LEFT + PLOT_WIDTH);
	for (int i = 0; i <= TICKS; i++) {
		double x = LEFT + (double)PLOT_WIDTH * i / TICKS;
		double us = scale->low + (scale->high - scale->low) * i / TICKS;

		fprintf(to, "<path d=\"M%.1f %.1fv5\" class=\"axis\"/>\n", x, y);
		number_at(x, y + 18, "middle", us / scale->divisor, i == TICKS ? scale->unit : "",
		          to);
	}
	text_at(LEFT - 6, scale->top + 5, "end", "100%", to);
	text_at(LEFT - 6, y, "end", "0%", to);
}

static double x_of(const struct scale *scale, double value)
{
	double x = LEFT + PLOT_WIDTH * (value - scale->low) / (scale->high - scale->low);

	return x > LEFT + PLOT_WIDTH ? LEFT + PLOT_WIDTH : x;
}

static void histogram(const double *sorted, size_t count, const struct scale *scale, FILE *to)
{
	size_t bins[BINS] = {0}, most = 1;

	for (size_t i = 0; i < count && sorted[i] <= scale->high; i++) {
		size_t bin = (size_t)(BINS * (sorted[i] - scale->low) / (scale->high - scale->low));

		bin = bin < BINS ? bin : BINS - 1;
		if (++bins[bin] > most)
			most = bins[bin];
	}
	for (int i = 0; i < BINS; i++) {
		double height = (double)PLOT_HEIGHT * (double)bins[i] / (double)most;

		if (bins[i])
			fprintf(to,
			        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
			        "class=\"bar\"/>\n",
			        LEFT + (double)PLOT_WIDTH * i / BINS,
			        scale->top + PLOT_HEIGHT - height, (double)PLOT_WIDTH / BINS - 1,
			        height);
	}
}

static void distribution_function(const double *sorted, size_t count, const struct scale *scale,
                                  FILE *to)
{
	double bottom = scale->top + PLOT_HEIGHT;

	fprintf(to, "<path class=\"line\" d=\"M%d %.1f", LEFT, bottom);
	for (size_t i = 0; i < count && sorted[i] <= scale->high; i++)
		fprintf(to, "H%.1fV%.1f", x_of(scale, sorted[i]),
		        bottom - PLOT_HEIGHT * (double)(i + 1) / (double)count);
	fputs("\"/>\n", to);
}

static int panel(const char *name, const char *purpose, const struct series *series, double top,
                 FILE *to)
{
	double *sorted = malloc(series->count * sizeof *sorted);
	struct summary summary;
	struct scale scale = {.top = top + TITLE};
	char line[320];

	if (!sorted || statistics_summary(series, &summary)) {
		free(sorted);
		return -1;
	}
	memcpy(sorted, series->values, series->count * sizeof *sorted);
	statistics_sort(sorted, series->count);
	scale.low = summary.min;
	scale.high = summary.p99 > summary.min ? summary.min + 1.02 * (summary.p99 - summary.min)
	                                       : summary.min + 1;
	snprintf(line, sizeof line, "%s: %s", name, purpose);
	text_at(LEFT, top + 14, "start", line, to);
	scale.divisor = scale.high >= 10000 ? 1000 : 1;
	scale.unit = scale.high >= 10000 ? " ms" : " us";
	snprintf(line, sizeof line,
	         "%zu runs, median %.4g%s (95%%: %.4g to %.4g), p99 %.4g, slowest %.4g",
	         summary.count, summary.p50 / scale.divisor, scale.unit,
	         summary.median.low / scale.divisor, summary.median.high / scale.divisor,
	         summary.p99 / scale.divisor, summary.max / scale.divisor);
	text_at(LEFT, top + 30, "start", line, to);
	histogram(sorted, series->count, &scale, to);
	fprintf(to,
	        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" class=\"interval\"/>\n",
	        x_of(&scale, summary.median.low), scale.top,
	        x_of(&scale, summary.median.high) - x_of(&scale, summary.median.low) + 1,
	        PLOT_HEIGHT);
	fprintf(to, "<path d=\"M%.1f %.1fv%d\" class=\"median\"/>\n", x_of(&scale, summary.p50),
	        scale.top, PLOT_HEIGHT);
	distribution_function(sorted, series->count, &scale, to);
	axis(&scale, to);
	free(sorted);
	return 0;
}

/* What is no phase of its own: CPU time before the first, and the sum. */
static bool is_bar(const struct result_phase *phase)
{
	return strcmp(phase->name, "total") != 0 && strcmp(phase->name, "process_start") != 0;
}

static int waterfall(const struct result *result, double top, FILE *to)
{
	double medians[RESULT_PHASES_MAX] = {0}, total = 0, at = 0;
	int row = 0;

	for (size_t i = 0; i < result->phase_count; i++) {
		struct summary summary;

		if (!result->phases[i].us.count || !is_bar(&result->phases[i]))
			continue;
		if (statistics_summary(&result->phases[i].us, &summary))
			return -1;
		total += medians[i] = summary.p50;
	}
	text_at(LEFT, top + 14, "start", "phases of a start (medians; with --stats)", to);
	for (size_t i = 0; total > 0 && i < result->phase_count; i++) {
		double y = top + TITLE + ROW * row, x = 200 + 480 * at / total;

		if (!is_bar(&result->phases[i]))
			continue;
		text_at(190, y + 14, "end", result->phases[i].name, to);
		fprintf(to,
		        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
		        "class=\"bar\"/>\n",
		        x, y, 480 * medians[i] / total + 0.5, ROW - 6);
		number_at(x + 480 * medians[i] / total + 5, y + 14, "start", medians[i], " us", to);
		at += medians[i];
		row++;
	}
	return 0;
}

int plot_write(const struct result *result, FILE *to)
{
	double top = 40;
	int height = 60, status = 0;

	for (int mode = 0; mode < BENCH_MODE_COUNT; mode++)
		height += result->series[mode][BENCH_WALL].count ? PANEL : 0;
	if (result->phase_count)
		height += TITLE + ROW * (int)result->phase_count;
	fprintf(to,
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	        "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
	        "<style>.bar{fill:#9bbcdd}.line{fill:none;stroke:#1d3557;stroke-width:1.5}"
	        ".axis{fill:none;stroke:#888}.median{stroke:#c1121f}"
	        ".interval{fill:#c1121f;fill-opacity:.2}</style>\n"
	        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
	        WIDTH, height, WIDTH, height);
	fputs("<g font-size=\"16\">", to);
	text_at(LEFT, 26, "start", result->name, to);
	fputs("</g>\n", to);
	for (int mode = 0; mode < BENCH_MODE_COUNT && status == 0; mode++) {
		const struct series *series = &result->series[mode][BENCH_WALL];

		if (!series->count)
			continue;
		status = panel(bench_mode_name[mode], bench_mode_purpose[mode], series, top, to);
		top += PANEL;
	}
	if (result->phase_count && status == 0)
		status = waterfall(result, top, to);
	fputs("</svg>\n", to);
	return status || ferror(to) ? -1 : 0;
}
