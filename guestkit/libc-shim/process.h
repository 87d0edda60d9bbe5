/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the one process of the guest: what it was started with, who it is, its limits. */
#ifndef MOTE_LIBC_SHIM_PROCESS_H
#define MOTE_LIBC_SHIM_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#define PROCESS_ID        1
#define PROCESS_NAME_SIZE 16 /* with the NUL, as TASK_COMM_LEN */

/* The system that uname(2), /proc and /etc tell of. */
#define SYSTEM_NAME        "Linux"
#define SYSTEM_NODE        "mote"
#define SYSTEM_RELEASE     "6.1.0-mote"
#define SYSTEM_VERSION     "#1 Mote"
#define SYSTEM_MACHINE     "x86_64"
#define SYSTEM_DOMAIN      "(none)"
#define SYSTEM_TICKS       100 /* a second: USER_HZ, for times(2) and /proc */
#define SYSTEM_LAST_CAP    40  /* CAP_CHECKPOINT_RESTORE */
#define SYSTEM_GROUPS_MAX  65536
#define SYSTEM_NANOSECONDS 1000000000UL

/* SYSTEM_NODE, or what sethostname(2) has set. */
const char *system_host_name(void);
/* The machine has another name by now, whatever the program has set before. */
void system_renew_host_name(void);

struct process_bytes {
	const void *data; /* in the kit's memory; lives as long as the process */
	size_t length;
};

/* Filled by the kit's start code, before the application runs. */
struct process {
	const char *executable_path;           /* absolute; kit memory */
	struct process_bytes command_line;     /* strings, each with its NUL */
	struct process_bytes environment;      /* the same */
	struct process_bytes auxiliary_vector; /* pairs of 8 bytes, AT_NULL included */
	char name[PROCESS_NAME_SIZE];          /* comm: always terminated */
	uint64_t start_monotonic;              /* ns, CLOCK_MONOTONIC */
	uint64_t waited; /* ns spent asleep so far; added to by all that sleep */
};

extern struct process process;

/* Nanoseconds of CPU time that the process has used: time since its start less time asleep. */
uint64_t process_cpu_time(void);

/* Bytes of memory the guest uses, the kit's own included; and the largest number seen so far. */
uint64_t process_resident(void);
uint64_t process_resident_peak(void);

/* Who the process is; changed by setuid(2) and its relatives (sys_users.c). */
struct process_identity {
	uint32_t uid, gid; /* the effective ones, which decide what is allowed */
	uint32_t real_uid, saved_uid, file_uid;
	uint32_t real_gid, saved_gid, file_gid;
	uint32_t *groups; /* supplementary; heap; NULL when there are none */
	uint32_t group_count;
};

extern struct process_identity process_identity;

/* Resource limits (sys_limits.c); numbers and values as in getrlimit(2). */
#define PROCESS_LIMITS    16 /* RLIM_NLIMITS */
#define PROCESS_UNLIMITED UINT64_MAX

/* RLIMIT_* of x86-64, by names of our own: libc headers, where there are any, claim theirs. */
enum process_resource {
	RESOURCE_CPU,
	RESOURCE_FSIZE,
	RESOURCE_DATA,
	RESOURCE_STACK,
	RESOURCE_CORE,
	RESOURCE_RSS,
	RESOURCE_NPROC,
	RESOURCE_NOFILE,
	RESOURCE_MEMLOCK,
	RESOURCE_AS,
	RESOURCE_LOCKS,
	RESOURCE_SIGPENDING,
	RESOURCE_MSGQUEUE,
	RESOURCE_NICE,
	RESOURCE_RTPRIO,
	RESOURCE_RTTIME,
};

struct process_limit {
	uint64_t soft;
	uint64_t hard;
};

/**
 * process_limit() - A resource limit.
 * @resource: enum process_resource, below PROCESS_LIMITS
 */
const struct process_limit *process_limit(unsigned resource);

/* prctl(PR_SET_NO_NEW_PRIVS) was called (sys_prctl.c). */
unsigned process_no_new_privileges(void);

#endif
