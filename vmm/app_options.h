/* SPDX-License-Identifier: Apache-2.0 */
/* Puts together what an application image says and what the command line says. */
#ifndef MOTE_VMM_APP_OPTIONS_H
#define MOTE_VMM_APP_OPTIONS_H

#include "vmm/app_manifest.h"
#include "vmm/options.h"

/**
 * app_options_apply() - Complete options by a manifest.
 * @options:  of the command line; afterwards those of the run. Its arrays are replaced and not
 *            freed; strings stay where they are, in @manifest too
 * @manifest: as read by app_manifest_read()
 *
 * The program and argv[0] are the manifest's. Its arguments come first, those of the command line
 * behind them. Memory, directory and variables of the command line count for more than the
 * manifest's, and these for more than the defaults.
 *
 * Errors: too many or too long strings, MOTE_STATUS_FAILED.
 */
int app_options_apply(struct run_options *options, const struct app_manifest *manifest,
                      struct mote_error *err);

#endif
