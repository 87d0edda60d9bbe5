/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of root_lookup(): a path, ended by a zero byte, and a root image. */
#include <stdlib.h>

#include "../../guestkit/libc-shim/erofs.c"
#include "../../guestkit/libc-shim/erofs_directory.c"
#include "../../vmm/root_lookup.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length = strnlen((const char *)data, size);
	size_t image_size = length < size ? size - length - 1 : 0;
	unsigned char *image;
	struct root_file file;

	if (length == size || !image_size)
		return 0;
	/* A copy of the exact size: a read behind the image is seen. */
	image = malloc(image_size);
	if (!image)
		return 0;
	memcpy(image, data + length + 1, image_size);
	if (root_lookup(image, image_size, (const char *)data, &file) && file.bytes &&
	    (file.bytes < image || file.size > (uint64_t)(image + image_size - file.bytes)))
		abort();
	free(image);
	return 0;
}
