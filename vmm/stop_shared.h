/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping a guest in a program that holds several, and whose signals are its own.
 *
 * How it works. One real-time signal is mote's. The thread that runs a VM has it blocked, with what
 * writing to files raises, but KVM_RUN lets it through (KVM_SET_SIGNAL_MASK): it returns EINTR, and
 * the signal is still pending, so no handler ever runs. It comes of a timer of the thread's, and of
 * stop_interrupt(), which also writes to an eventfd: that is among what polls wait for. All are
 * gone when the thread leaves the VM, and its mask is as it was.
 */
#ifndef MOTE_VMM_STOP_SHARED_H
#define MOTE_VMM_STOP_SHARED_H

#include "vmm/stop.h"

/* The signal. */
int stop_kick_signal(void);

/* Get ready: closed by stop_shared_close(). */
int stop_shared_open(struct stop *stop, struct mote_error *err);
void stop_shared_close(struct stop *stop);

/* The vCPU is there; kvm_run->immediate_exit is not used. */
void stop_shared_attach(struct stop *stop, struct kvm_run *run, int vcpu);

/* For stop.c. */
void stop_shared_enter(struct stop *stop);
void stop_shared_leave(struct stop *stop);
void stop_shared_interrupt(struct stop *stop);
void stop_shared_collect(struct stop *stop);
int stop_shared_poll(struct stop *stop, struct pollfd *fds, nfds_t count, uint64_t timeout_ns);

#endif
