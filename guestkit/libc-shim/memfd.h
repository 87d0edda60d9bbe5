/* SPDX-License-Identifier: Apache-2.0 */
/* Seals of files in memory (memfd.c). */
#ifndef MOTE_LIBC_SHIM_MEMFD_H
#define MOTE_LIBC_SHIM_MEMFD_H

#include <stdbool.h>
#include <stdint.h>

struct file;

/* fcntl's F_GET_SEALS and F_ADD_SEALS. Return: seals or 0; -EINVAL, -EPERM, -EBUSY. */
int64_t memfd_get_seals(const struct file *file);
int64_t memfd_add_seals(const struct file *file, uint32_t seals);

/* May the file be mapped so? Return: 0 or -EPERM. */
int memfd_check_mapping(const struct file *file, bool is_shared, bool is_writable);

#endif
