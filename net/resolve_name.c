/*
 * Reading names. What looks like a number is none: "127.1" and "1.2.3.400" are mistakes.
 */
#include "net/resolve.h"

#include <string.h>

/* A letter, lower-case; a digit; '-' or '_'; or 0. */
static char name_character(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    return good ? c : '\0';
}

/* Copies the label at *from, up to its dot or the end. Returns its length; -EINVAL. */
static int name_label(char *out, const char *from, const char *end)
{
    int length = 0;
    for (; from < end && *from != '.'; from++) {
        out[length] = name_character(*from);
        if (out[length++] == '\0' || length > 63)
            return -EINVAL;
    }
    out[length] = '\0';
    return length > 0 ? length : -EINVAL;
}

static int name_host(char *out, const char *from, const char *end)
{
    const char *label = out;
    if (end - from >= AIO__NAME_BYTES - 2)
        return -EINVAL;
    while (from < end) {
        int length = name_label(out, from, end);
        if (length < 0)
            return length;
        label = out;
        out += length;
        from += length;
        if (from < end)
            *out++ = *from++; /* the dot */
    }
    *out = '\0';
    size_t digits = strspn(label, "0123456789");
    return label[digits] == '\0' || label[digits] == '.' ? -EINVAL : 0;
}

int aio__name_parse(struct aio__name *out, const char *text)
{
    struct aio_address any;
    const char *colon = text != NULL ? strchr(text, ':') : NULL;
    if (colon == NULL || colon == text || aio_address_parse(&any, colon) < 0)
        return -EINVAL;
    out->port = any.v4.sin_port;
    return name_host(out->host, text, colon);
}
