/* SPDX-License-Identifier: Apache-2.0 */
/* Text inside XML: JUnit reports, SVG images. */
#include "measure/xml.h"

#include <stdint.h>

/* Length of the character at @text in UTF-8 (RFC 3629, section 4); 0 if it is none that XML has. */
static int character_length(const unsigned char *text)
{
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	int length = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : 4;
	uint32_t value = length == 1 ? text[0] : text[0] & (0x7fu >> length);

	if (length == 4 && text[0] >> 3 != 30)
		return 0;
	for (int i = 1; i < length; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		value = value << 6 | (text[i] & 0x3fu);
	}
	if (value < lowest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ||
	    value == 0xfffe || value == 0xffff || (value < ' ' && value != '\t' && value != '\n'))
		return 0;
	return length;
}

void xml_write(const char *text, FILE *to)
{
	while (*text) {
		int length = character_length((const unsigned char *)text);

		switch (*text) {
		case '<': fputs("&lt;", to); break;
		case '>': fputs("&gt;", to); break;
		case '&': fputs("&amp;", to); break;
		case '"': fputs("&quot;", to); break;
		default:
			if (length)
				fwrite(text, 1, (size_t)length, to);
			else
				fputc('?', to);
		}
		text += length ? length : 1;
	}
}
