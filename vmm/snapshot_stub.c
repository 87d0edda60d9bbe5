/* SPDX-License-Identifier: Apache-2.0 */
/* Goes when snapshot/ has the functions. */
#include "snapshot/snapshot.h"
#include "snapshot/snapshot_write.h"
int snapshot_open(struct snapshot *s, const char *p, struct mote_error *e)
{
	(void)s, (void)p, (void)e;
	return -1;
}
int snapshot_read(struct snapshot *s, struct mote_error *e)
{
	(void)s, (void)e;
	return -1;
}
int snapshot_verify(const struct snapshot *s, struct mote_error *e)
{
	(void)s, (void)e;
	return -1;
}
int snapshot_map(const struct snapshot *s, const struct guest_memory *m, struct mote_error *e)
{
	(void)s, (void)m, (void)e;
	return -1;
}
int snapshot_fill_working_set(const struct snapshot *s, const struct guest_memory *m,
                              struct mote_error *e)
{
	(void)s, (void)m, (void)e;
	return -1;
}
int snapshot_write(int fd, const struct snapshot_content *c, struct snapshot_written *w,
                   struct mote_error *e)
{
	(void)fd, (void)c, (void)w, (void)e;
	return -1;
}
