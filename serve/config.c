/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file of `mote serve`. */
#include "serve/config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int config_apply(void *ctx, const char *name, char *value);

static int refuse(const char *path, const char *why, const char *what)
{
	fprintf(stderr, "mote: cannot use %s: %s%s%s (see mote help serve)\n", path, why,
	        what ? " " : "", what ? what : "");
	return -1;
}

static int apply_routes(const char *path, json_t *routes, config_apply *apply, void *ctx)
{
	const char *prefix;
	json_t *app;

	if (!json_is_object(routes))
		return refuse(path, "\"routes\" is no object of prefixes and applications", NULL);
	json_object_foreach(routes, prefix, app)
	{
		char *text;

		if (!json_is_string(app))
			return refuse(path, "the application is no string: route", prefix);
		if (asprintf(&text, "%s=%s", prefix, json_string_value(app)) < 0)
			return refuse(path, "no memory", NULL);
		if (apply(ctx, "route", text))
			return -1;
	}
	return 0;
}

static int apply_setting(const char *path, const char *name, json_t *setting, config_apply *apply,
                         void *ctx)
{
	char number[32];
	char *value;

	if (!strcmp(name, "routes"))
		return apply_routes(path, setting, apply, ctx);
	if (!json_is_string(setting) && !json_is_number(setting))
		return refuse(path, "its value is neither a string nor a number:", name);
	snprintf(number, sizeof number, "%.12g", json_number_value(setting));
	value = strdup(json_is_string(setting) ? json_string_value(setting) : number);
	return value ? apply(ctx, name, value) : refuse(path, "no memory", NULL);
}

int config_read(const char *path, config_apply *apply, void *ctx)
{
	json_error_t error;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error), *setting;
	const char *name;
	int status = 0;

	if (!root)
		return refuse(path, error.text, NULL);
	if (!json_is_object(root))
		status = refuse(path, "it is no JSON object", NULL);
	json_object_foreach(root, name, setting)
	{
		if (!status)
			status = apply_setting(path, name, setting, apply, ctx);
	}
	json_decref(root);
	return status;
}
