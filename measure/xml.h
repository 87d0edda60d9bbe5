/* SPDX-License-Identifier: Apache-2.0 */
/* Text inside XML: JUnit reports, SVG images. */
#ifndef MOTE_MEASURE_XML_H
#define MOTE_MEASURE_XML_H

#include <stdio.h>

/*
 * Write @text so that it is itself in an element or a quoted attribute. What XML 1.0 (section 2.2)
 * does not have, and what is not UTF-8, becomes '?'.
 */
void xml_write(const char *text, FILE *to);

#endif
