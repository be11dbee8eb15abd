/*
 * The media type of a file, by its name.
 */
#ifndef STATIC_MIME_H
#define STATIC_MIME_H

/* The type for what follows the name's last dot; "application/octet-stream" for what is not known.
 */
const char *mime_type(const char *name);

#endif
