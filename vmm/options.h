/* SPDX-License-Identifier: Apache-2.0 */
/* What `mote run` was asked to do: the parsed command line, checked and complete. */
#ifndef MOTE_VMM_OPTIONS_H
#define MOTE_VMM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mote/abi.h"
#include "vmm/error.h"
#include "vmm/options_control.h"
#include "vmm/options_disk.h"
#include "vmm/options_net.h"
#include "vmm/options_share.h"

#define RUN_MEMORY_DEFAULT (128ull << 20)
#define RUN_MEMORY_MIN     (4ull << 20)
#define RUN_MEMORY_MAX     (64ull << 30)
#define RUN_TIMEOUT_MAX_S  1000000000ull

/* What the guest's initial stack has to hold; strings are counted with their final NUL. */
#define RUN_STRINGS_MAX       4096             /* arguments, and again environment entries */
#define RUN_STRINGS_BYTES_MAX (128u << 10)     /* arguments and environment together */
#define RUN_COUNT_MAX         1000000000000ull /* --count */
#define RUN_MARK_MAX          64u              /* name of a mark, with the final NUL */
#define RUN_PATH_MAX          4096u            /* PATH_MAX of Linux, with the final NUL */

enum stats_format {
	STATS_NONE,
	STATS_TEXT,
	STATS_JSON,
	STATS_PAGES, /* JSON, with pages counted by the CPU's accessed bits: exact, and slower */
};

enum strace_form {
	STRACE_NONE,
	STRACE_LINES,
	STRACE_SUMMARY,
};

enum cpu_model {
	CPU_HOST,     /* the host's features, as far as KVM and the kit can carry them */
	CPU_BASELINE, /* x86-64-v2 and nothing of the machine */
};

/*
 * All strings belong to the command line or to the host's environment and are never freed here; the
 * pointer arrays belong to the object (run_options_free()).
 */
struct run_options {
	const char *app;  /* as given, never empty */
	char **argv;      /* the guest's: argv[0] is app; argv[argc] is NULL */
	const char *root; /* directory or image on the host; NULL: the built-in root */
	char **env;       /* the guest's, each "K=V", keys unique; env[env_count] is NULL */
	int argc;         /* 1 to RUN_STRINGS_MAX */
	int env_count;
	unsigned int
	        default_env;   /* bit i: env[i] is one that every guest has; nobody asked for it */
	const char *cwd;       /* absolute path in the guest */
	uint64_t memory_bytes; /* RUN_MEMORY_MIN to RUN_MEMORY_MAX, a multiple of 4096 */
	enum stats_format stats;
	enum strace_form strace;
	uint64_t timeout_ns;       /* 0: none */
	const char *core_path;     /* NULL: none */
	const char *dump_dtb_path; /* NULL: none */
	const char *trace_path;    /* NULL: none */
	enum cpu_model cpu;
	bool has_cwd, has_memory; /* they were asked for */
	bool allow_wx;
	bool trace_no_pages;       /* trace_path without page uses, which disturb its times */
	const char *hostname;      /* of the guest; NULL: the kit's own idea */
	const char *restore_path;  /* a snapshot to start from; NULL: start APP anew */
	const char *symbols_path;  /* program that backtraces take names from; NULL: none */
	uint64_t count;            /* starts from it, one after the other */
	uint64_t verify_every;     /* of these are compared with it; 0: none */
	const char *snapshot_path; /* to write a snapshot to; NULL: none is wanted */
	unsigned serve_socket;     /* descriptor: requests are taken from it (serve.c); 0: none */
	uint32_t points;           /* where: bits 1 << enum mote_snapshot_point */
	const char *snapshot_mark; /* MOTE_SNAPSHOT_MARK: its name; NULL: the default one */
	bool has_point;            /* it was asked for */
	bool force;                /* cut what a snapshot cannot carry */
	bool clock_advances;       /* in starts from it by the time that has passed */
	bool goes_on;              /* the guest goes on after it */
	bool virtio_console;       /* stdin and stdout through a virtio device */
	bool entropy;              /* a virtio entropy device */
	bool balloon;              /* a virtio memory balloon */
	bool verify;               /* an application image whole, before it is used */
	const char *key_path;      /* key of snapshots; NULL: they have none */
	struct control_options control;
	struct share_options shares;
	const char *vsock_path; /* Unix socket of the virtio socket device; NULL: none */
	uint64_t balloon_bytes; /* that the guest is asked to give up at its start */
	struct net_options net;
	struct disk_options disks;
	const char *kit_path; /* NULL: the kit that belongs to this mote */
};

enum option_value {
	OPTION_FLAG,           /* --name */
	OPTION_VALUE,          /* --name VALUE or --name=VALUE */
	OPTION_OPTIONAL_VALUE, /* --name or --name=VALUE */
};

struct run_parse;

#define RUN_OPTION_RUN     1u
#define RUN_OPTION_RESTORE 2u

/* One option of `mote run`: parser, help text and the tests of the manual read the same table. */
struct run_option {
	const char *name; /* without the dashes */
	enum option_value kind;
	const char *placeholder; /* how the help names the value; NULL for a flag */
	const char *summary;
	int (*apply)(struct run_parse *parse, const struct run_option *option, char *value);
	size_t field;    /* offset of the member, for options that only store */
	size_t commands; /* RUN_OPTION_*: which commands have it */
};

/* Ends with an entry without a name. */
extern const struct run_option run_option_table[];

/* run_options_parse() found --help: there is nothing to run. */
#define RUN_OPTIONS_HELP 1

/**
 * run_options_parse() - Read the command line of `mote run`.
 * @options:     filled; on success the caller owns it, see run_options_free()
 * @argc, @argv: argv[0] is the name of the command and is not looked at
 * @environment: the host's, NULL-terminated: TERM and `--env NAME` are taken from it
 * @err:         one line, code MOTE_STATUS_FAILED
 *
 * Everything up to the first word without a dash is an option of mote, that word is the program and
 * the rest belongs to the guest. One `--` is dropped, before the program or right after it. Of an
 * option given twice the last one counts. Nothing is looked up on disk.
 *
 * Return: 0; RUN_OPTIONS_HELP with nothing to free; negative with @err set and nothing to free.
 */
int run_options_parse(struct run_options *options, int argc, char **argv, char *const *environment,
                      struct mote_error *err);

/**
 * restore_options_parse() - The same for `mote restore`, whose program is the snapshot's file.
 *
 * What the snapshot has is replaced by what was asked for: the environment, where default_env does
 * not cover it, and the arguments, where there are any behind argv[0].
 */
int restore_options_parse(struct run_options *options, int argc, char **argv,
                          char *const *environment, struct mote_error *err);

/**
 * run_options_size() - Read a size: a number of bytes, or with K, M or G behind it; at most 64G.
 * @what: that it is of, for the error
 */
int run_options_size(const char *what, const char *value, uint64_t *bytes, struct mote_error *err);

/**
 * run_options_check_strings() - Check that arguments and environment fit into the guest's stack.
 */
int run_options_check_strings(const struct run_options *options, struct mote_error *err);

/**
 * run_options_free() - Give back the pointer arrays. The object may be freed twice.
 */
void run_options_free(struct run_options *options);

#endif
