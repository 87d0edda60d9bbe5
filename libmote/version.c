/* SPDX-License-Identifier: Apache-2.0 */
/* The version of libmote. */
#include "mote/mote.h"

const char *mote_version(void)
{
	return MOTE_VERSION;
}
