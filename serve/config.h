/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file of `mote serve`: JSON with the names of the options. */
#ifndef MOTE_SERVE_CONFIG_H
#define MOTE_SERVE_CONFIG_H

/**
 * config_read() - Read a file, and have each of its settings applied.
 * @apply: called with the name of an option and its value as text, both good until the process
 * ends; a route is "route" with "PREFIX=APP". Return: 0, or -1 (what is wrong has been printed)
 *
 * The file is one object; its values are strings, numbers (for times and counts), and under
 * "routes" an object of prefixes and applications. Anything else is refused.
 *
 * Return: 0, or -1; what is wrong has been printed.
 */
int config_read(const char *path, int (*apply)(void *ctx, const char *name, char *value),
                void *ctx);

#endif
