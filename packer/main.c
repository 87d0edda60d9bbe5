/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mote-build: makes application images, as `mote build`.
 *
 * How it works. The command line is split into what is known here only and what `mote run` knows
 * as well, which its own parser checks. A root that is an archive is unpacked into a private
 * directory, of a directory mkfs.erofs makes an image, and an image is taken as it is. Then
 * everything is in files, which are mapped, looked at as mote will at the start, and written.
 *
 * The work is done by a child. Its parent keeps nothing but the names of what is temporary, and
 * removes that in the end, however the child has come to its own.
 *
 * Owners and times of the root are left out, so that they make no difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestkit/libc-shim/erofs.h"
#include "packer/image_writer.h"
#include "packer/unpack.h"
#include "vmm/app_manifest.h"
#include "vmm/command.h"
#include "vmm/elf_image.h"
#include "vmm/mkfs_erofs.h"
#include "vmm/options.h"
#include "vmm/root_lookup.h"

extern char **environ;

/* What the command line asks for; strings are its own. */
struct build {
	const char *output, *root, *entry, *app;
	char **words;           /* what run points into */
	struct run_options run; /* the rest, as checked by the parser of mote run */
	struct app_manifest manifest;
	struct section_bytes program_bytes, root_bytes;
	char *work; /* a private directory; NULL: none is needed */
	struct image_file image;
};

static int usage_error(struct mote_error *err, const char *what, const char *why)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "%.64s%s (see mote help build)", what, why);
}

/* ---- the command line ---- */

/*
 * Lets the parser of mote run look at what it knows: @words of them, and behind them the program.
 * What it says of help is made ours.
 */
static int parse_run_options(struct build *build, int words, char **list, struct mote_error *err)
{
	static const char theirs[] = " (see mote help run)", ours[] = " (see mote help build)";
	char *at;

	if (run_options_parse(&build->run, words, list, environ, err) == 0)
		return 0;
	at = strstr(err->text, theirs);
	if (at && strlen(err->text) + sizeof ours < sizeof err->text)
		memcpy(at, ours, sizeof ours);
	return -1;
}

static int add_share(struct app_manifest *manifest, const char *guest, struct mote_error *err)
{
	if (!share_is_place(guest))
		return usage_error(err, "--share",
		                   " is not an absolute path in the guest, without a comma. Which "
		                   "directory of the host is there, mote run is told");
	if (manifest->share_count == SHARES_MAX)
		return usage_error(err, "--share", " is given more often than a microVM can have");
	manifest->shares[manifest->share_count++] = guest;
	return 0;
}

static int add_disk(struct app_manifest *manifest, const char *id, struct mote_error *err)
{
	if (!disk_is_id(id))
		return usage_error(err, "--disk",
		                   " is not the name of a disk. Which file of the host it is, mote "
		                   "run is told");
	if (manifest->disk_count == DISKS_MAX)
		return usage_error(err, "--disk", " is given more often than a microVM can have");
	manifest->disks[manifest->disk_count++] = id;
	return 0;
}

/* Sorts the options: into @build, or into @list for parse_run_options(). Returns 1 for help. */
static int sort_options(struct build *build, int argc, char **argv, char **list, int *words,
                        struct mote_error *err)
{
	static const struct option options[] = {
	        {"output", required_argument, NULL, 'o'}, {"root", required_argument, NULL, 'r'},
	        {"entry", required_argument, NULL, 'p'},  {"env", required_argument, NULL, 'e'},
	        {"cwd", required_argument, NULL, 'e'},    {"mem", required_argument, NULL, 'e'},
	        {"share", required_argument, NULL, 's'},  {"disk", required_argument, NULL, 'd'},
	        {"net", no_argument, NULL, 'n'},          {"vsock", no_argument, NULL, 'v'},
	        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	int option, index;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:o:h", options, &index)) != -1) {
		if (option == ':')
			return usage_error(err, argv[optind - 1], " needs a value");
		if (option == '?')
			return usage_error(err, argv[optind - 1], " is no option of mote build");
		if (optarg && !*optarg)
			return usage_error(err, argv[optind - 1], " has an empty value");
		switch (option) {
		case 'o': build->output = optarg; break;
		case 'r': build->root = optarg; break;
		case 'p': build->entry = optarg; break;
		case 's':
			if (add_share(&build->manifest, optarg, err))
				return -1;
			break;
		case 'd':
			if (add_disk(&build->manifest, optarg, err))
				return -1;
			break;
		case 'n': build->manifest.wants_network = true; break;
		case 'v': build->manifest.wants_vsock = true; break;
		case 'h': return 1;
		default:
			if (asprintf(&list[(*words)++], "--%s=%s", options[index].name, optarg) < 0)
				return mote_error_errno(err, MOTE_STATUS_FAILED,
				                        "the command line");
		}
	}
	return 0;
}

static int check_options(const struct build *build, struct mote_error *err)
{
	if (!build->output)
		return usage_error(err, "-o", " is missing: which file is to be written?");
	if (build->entry && !build->root)
		return usage_error(err, "--entry", " needs a --root that the program is in");
	if (build->entry && (build->entry[0] != '/' || strlen(build->entry) >= RUN_PATH_MAX))
		return usage_error(err, "--entry",
		                   " is not an absolute path: the program is one of the root, and "
		                   "its path begins with /");
	if (!build->entry && !build->app)
		return usage_error(err, "no program given",
		                   ": name an APP, or a --root and its --entry");
	return 0;
}

static int parse_command_line(struct build *build, int argc, char **argv, struct mote_error *err)
{
	static char separator[] = "--";
	bool has_separator;
	char **list = calloc((size_t)argc + 4, sizeof *list);
	int words = 1, status;

	build->words = list;
	if (!list)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "the command line");
	list[0] = argv[0];
	status = sort_options(build, argc, argv, list, &words, err);
	if (status)
		return status;
	/* As with mote run, one "--" is dropped, before the program or right behind it; getopt has
	 * done so with the first. Where there is --entry all words are arguments. */
	has_separator = strcmp(argv[optind - 1], "--") == 0;
	if (!build->entry && optind < argc)
		build->app = argv[optind++];
	if (check_options(build, err))
		return -1;
	if (build->app && !has_separator && optind < argc && strcmp(argv[optind], "--") == 0)
		optind++;
	list[words++] = separator;
	list[words++] = (char *)(uintptr_t)(build->entry ? build->entry : build->app);
	while (optind < argc)
		list[words++] = argv[optind++];
	return parse_run_options(build, words, list, err);
}

/* ---- what goes into the image ---- */

/* Maps a regular file; its descriptor stays open as long as the process. */
static int map_file(const char *path, struct section_bytes *section, int code,
                    struct mote_error *err)
{
	struct stat status;
	void *bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &status))
		return mote_error_errno(err, code, "cannot open %s", path);
	if (!S_ISREG(status.st_mode))
		return mote_error_set(err, code, "cannot use %s: it is not a regular file", path);
	if (status.st_size == 0)
		return mote_error_set(err, code, "cannot use %s: it is empty", path);
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return mote_error_errno(err, code, "cannot read %s", path);
	*section = (struct section_bytes){.bytes = bytes, .size = (size_t)status.st_size};
	return 0;
}

/* Whether @path, of a file that may not be there yet, lies in the tree @tree. */
static bool lies_in(const char *path, const char *tree)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	char *inner = directory ? realpath(directory, NULL) : NULL;
	char *outer = realpath(tree, NULL);
	bool is_inside = false;

	if (inner && outer) {
		size_t length = strcmp(outer, "/") ? strlen(outer) : 0;

		is_inside = !strncmp(inner, outer, length) &&
		            (inner[length] == '/' || inner[length] == '\0');
	}
	free(directory);
	free(inner);
	free(outer);
	return is_inside;
}

static int make_work(struct build *build, struct mote_error *err)
{
	const char *temporary = getenv("TMPDIR");

	if (!temporary || temporary[0] != '/')
		temporary = "/tmp";
	if (asprintf(&build->work, "%s/mote-build-XXXXXX", temporary) < 0)
		build->work = NULL;
	if (build->work && mkdtemp(build->work))
		return 0;
	free(build->work);
	build->work = NULL;
	return mote_error_errno(err, MOTE_STATUS_FAILED,
	                        "cannot make a private directory in %s (TMPDIR names another "
	                        "place)",
	                        temporary);
}

/* Makes an image of the directory @tree and maps it. */
static int make_root(struct build *build, const char *tree, struct mote_error *err)
{
	static const char *const options[] = {"-T0", "--all-root", NULL};
	char *image;
	int status = -1;

	if (lies_in(build->output, tree) || lies_in(build->work, tree))
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "cannot use the root %s: %s lies in it, and would become a "
		        "part of it%s",
		        build->root, lies_in(build->output, tree) ? build->output : build->work,
		        lies_in(build->output, tree) ? ". Write the image to another place"
		                                     : ". Let TMPDIR name another place");
	if (asprintf(&image, "%s/root.erofs", build->work) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "the root image");
	if (mkfs_erofs(options, image, tree, build->root, err) == 0)
		status = map_file(image, &build->root_bytes, MOTE_STATUS_FAILED, err);
	free(image);
	return status;
}

static int unpack_root(struct build *build, struct mote_error *err)
{
	char *tree;
	int fd, status = -1;

	if (asprintf(&tree, "%s/tree", build->work) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "the root");
	/* An archive that says nothing of its root gets the usual permissions for it. */
	fd = mkdir(tree, 0700) ? -1 : open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755))
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make the directory %s", tree);
	else
		status = unpack_archive(build->root, fd, &unpack_default_limits, err);
	if (fd >= 0)
		close(fd);
	if (status == 0)
		status = make_root(build, tree, err);
	free(tree);
	return status;
}

/* Whether bytes have the magic number of EROFS; they need not be an image that can be used. */
static bool is_erofs(struct section_bytes file)
{
	static const unsigned char magic[] = {0xe2, 0xe1, 0xf5, 0xe0};

	return file.size >= 1024 + sizeof magic &&
	       !memcmp((const char *)file.bytes + 1024, magic, sizeof magic);
}

static int add_root(struct build *build, struct mote_error *err)
{
	struct stat status;
	struct erofs fs;
	const char *reason;
	int result;

	if (!build->root)
		return 0;
	if (stat(build->root, &status))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot use the root %s",
		                        build->root);
	if (S_ISDIR(status.st_mode)) {
		result = make_root(build, build->root, err);
	} else {
		result = map_file(build->root, &build->root_bytes, MOTE_STATUS_FAILED, err);
		if (result == 0 && !is_erofs(build->root_bytes)) {
			munmap((void *)(uintptr_t)build->root_bytes.bytes, build->root_bytes.size);
			result = unpack_root(build, err);
		}
	}
	if (result)
		return -1;
	if (erofs_open(&fs, build->root_bytes.bytes, build->root_bytes.size, &reason))
		return mote_error_set(err, MOTE_STATUS_FAILED, "cannot use the root %s: %s",
		                      build->root, reason);
	return 0;
}

static bool is_in_root(const struct build *build, const char *path)
{
	struct root_file file;

	return root_lookup(build->root_bytes.bytes, build->root_bytes.size, path, &file);
}

/* What would fail at every run fails now; that a program is W+X the user may allow then. */
static int check_program(const struct build *build, struct mote_error *err)
{
	const struct section_bytes *bytes = &build->program_bytes;
	const struct elf_source source = {.name = build->app,
	                                  .size = bytes->size,
	                                  .read = elf_read_bytes,
	                                  .fd = -1,
	                                  .bytes = bytes->bytes};
	struct elf_image image;
	char loader[RUN_PATH_MAX] = "";

	if (elf_image_read(&image, &source, true, err))
		return -1;
	if (image.interpreter_size == 0)
		return 0;
	if (image.interpreter_size < sizeof loader)
		memcpy(loader, source.bytes + image.interpreter_offset, image.interpreter_size);
	if (!build->root)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot use %s: it is dynamically linked. Name a --root with "
		                      "its loader %s and its libraries, or link it with -static "
		                      "(mote-cc does)",
		                      build->app, loader);
	if (loader[0] == '/' && is_in_root(build, loader))
		return 0;
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
	                      "cannot use %s: its loader %s is not in the root %s", build->app,
	                      loader, build->root);
}

static int add_program(struct build *build, struct mote_error *err)
{
	const char *slash;

	if (!build->app) {
		build->manifest.program = build->entry;
		build->manifest.is_in_root = true;
		if (is_in_root(build, build->entry))
			return 0;
		return mote_error_set(err, MOTE_STATUS_NOT_FOUND,
		                      "cannot use the entry %s: there is no such file in the root "
		                      "%s",
		                      build->entry, build->root);
	}
	slash = strrchr(build->app, '/');
	build->manifest.program = slash ? slash + 1 : build->app;
	if (map_file(build->app, &build->program_bytes, MOTE_STATUS_NOT_FOUND, err))
		return -1;
	return check_program(build, err);
}

/* The manifest has what was asked for; defaults are those of the mote that runs it. */
static void fill_manifest(struct build *build)
{
	struct app_manifest *manifest = &build->manifest;
	struct run_options *run = &build->run;

	manifest->arguments = run->argv + 1;
	manifest->argument_count = run->argc - 1;
	manifest->env = run->env;
	for (int i = 0; i < run->env_count; i++) {
		if (i >= 32 || !(run->default_env >> i & 1))
			manifest->env[manifest->env_count++] = run->env[i];
	}
	manifest->env[manifest->env_count] = NULL;
	manifest->cwd = run->has_cwd ? run->cwd : NULL;
	manifest->memory_bytes = run->has_memory ? run->memory_bytes : 0;
}

static int build_image(struct build *build, struct mote_error *err)
{
	fill_manifest(build);
	if (add_root(build, err) || add_program(build, err))
		return -1;
	return image_write(&build->image, &build->manifest, build->program_bytes, build->root_bytes,
	                   err);
}

/* ---- the two processes ---- */

/* One line, in which nothing steers the terminal: names from an archive may be in it. */
static void print_error(struct mote_error *err)
{
	for (char *c = err->text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = *c == '\t' ? ' ' : '?';
	}
	fprintf(stderr, "mote: %s\n", err->text);
}

/* In the child. Returns the exit status. */
static int work(struct build *build, pid_t parent)
{
	struct mote_error err = {.code = 0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return MOTE_STATUS_FAILED;
	if (build_image(build, &err) == 0)
		return 0;
	print_error(&err);
	return err.code;
}

/* Waits for the child, and passes on to it what is to end this process. Returns its wait status. */
static int wait_for(pid_t child, const sigset_t *signals)
{
	int status, number;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (sigwait(signals, &number) == 0 && number != SIGCHLD)
			kill(child, number);
	}
	return status;
}

/* Returns the exit status. */
static int build_in_child(struct build *build)
{
	pid_t parent = getpid(), child;
	sigset_t signals, before;
	int status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &before);
	child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		_exit(work(build, parent));
	}
	if (child < 0)
		return MOTE_STATUS_FAILED;
	status = wait_for(child, &signals);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return MOTE_STATUS_SIGNAL_BASE + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	static struct build build = {.image = {.fd = -1}};
	struct mote_error err = {.code = 0};
	int status;

	/* Archives have names in UTF-8, whatever the user's language is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	status = parse_command_line(&build, argc, argv, &err);
	if (status > 0) {
		command_build_help();
		return fflush(stdout) ? MOTE_STATUS_FAILED : 0;
	}
	if (status == 0)
		status = image_create(&build.image, build.output, &err);
	if (status == 0 && build.root)
		status = make_work(&build, &err);
	if (status == 0) {
		status = build_in_child(&build);
	} else {
		print_error(&err);
		status = err.code;
	}
	if (build.work)
		unpack_remove(build.work);
	image_close(&build.image);
	return status;
}
