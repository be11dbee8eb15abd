/*
 * See respond.h.
 */
#include "examples/static/respond.h"

#include "examples/static/condition.h"
#include "examples/static/http_date.h"
#include "examples/static/mime.h"
#include "examples/static/path.h"
#include "examples/static/range.h"

#include <aio/time.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define INDEX "index.html"
#define PART_BYTES 256
#define BOUNDARY_FORMAT "%016" PRIx64

struct reply {
    const struct request *request;
    struct output *output;
    bool head; /* no body is sent */
    bool closing;
    int64_t now;
    const char *type;
    struct file file;
    struct version version;
};

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 416:
        return "Range Not Satisfiable";
    case 417:
        return "Expectation Failed";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

__attribute__((format(printf, 2, 3))) static void print(struct output *output, const char *format,
                                                        ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof text)
        (void)output_text(output, text, (size_t)length);
}

/* The status line and what every answer has. The empty line is still to come. */
static void head(const struct reply *reply, int status)
{
    char date[HTTP_DATE_BYTES];
    const char *connection = reply->closing ? "Connection: close\r\n" : "";
    if (!reply->closing && reply->request != NULL && reply->request->parser.http_minor == 0)
        connection = "Connection: keep-alive\r\n";
    http_date_format(date, reply->now);
    print(reply->output, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s", status, reason_of(status), date,
          connection);
}

static void head_version(const struct reply *reply)
{
    char date[HTTP_DATE_BYTES];
    int64_t changed = reply->version.changed_s;
    http_date_format(date, changed < reply->now ? changed : reply->now);
    print(reply->output, "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n", date,
          reply->version.tag);
}

/* An answer that consists of its status. extra: further lines of the head. */
static void say(const struct reply *reply, int status, const char *extra)
{
    const char *reason = reason_of(status);
    head(reply, status);
    (void)output_text(reply->output, extra, strlen(extra));
    print(reply->output, "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
          strlen(reason) + 1);
    if (!reply->head)
        print(reply->output, "%s\n", reason);
}

static void send_whole(const struct reply *reply)
{
    head(reply, 200);
    head_version(reply);
    print(reply->output, "Content-Type: %s\r\nContent-Length: %" PRIu64 "\r\n\r\n", reply->type,
          reply->file.size);
    if (!reply->head)
        (void)output_file(reply->output, &reply->file, 0, reply->file.size);
}

static void send_range(const struct reply *reply, const struct range *range)
{
    head(reply, 206);
    head_version(reply);
    print(reply->output,
          "Content-Type: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64
          "\r\nContent-Length: %" PRIu64 "\r\n\r\n",
          reply->type, range->first, range->first + range->length - 1, reply->file.size,
          range->length);
    (void)output_file(reply->output, &reply->file, range->first, range->length);
}

/* What stands before a part. */
static int part_head(char text[PART_BYTES], const struct reply *reply, uint64_t boundary,
                     const struct range *range)
{
    return snprintf(text, PART_BYTES,
                    "\r\n--" BOUNDARY_FORMAT "\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64
                    "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                    boundary, reply->type, range->first, range->first + range->length - 1,
                    reply->file.size);
}

static void send_ranges(const struct reply *reply, const struct range *ranges, int count)
{
    char text[PART_BYTES];
    uint64_t boundary = (uint64_t)aio_time_now() * UINT64_C(0x9e3779b97f4a7c15);
    int end = snprintf(text, sizeof text, "\r\n--" BOUNDARY_FORMAT "--\r\n", boundary);
    uint64_t total = (uint64_t)end;
    for (int i = 0; i < count; i++)
        total += (uint64_t)part_head(text, reply, boundary, &ranges[i]) + ranges[i].length;
    head(reply, 206);
    head_version(reply);
    print(reply->output,
          "Content-Type: multipart/byteranges; boundary=" BOUNDARY_FORMAT
          "\r\nContent-Length: %" PRIu64 "\r\n\r\n",
          boundary, total);
    for (int i = 0; i < count; i++) {
        int length = part_head(text, reply, boundary, &ranges[i]);
        (void)output_text(reply->output, text, (size_t)length);
        (void)output_file(reply->output, &reply->file, ranges[i].first, ranges[i].length);
    }
    print(reply->output, "\r\n--" BOUNDARY_FORMAT "--\r\n", boundary);
}

/* A range is asked for only with GET. */
static void send_file(const struct reply *reply)
{
    struct range ranges[RANGES_MAX];
    const char *text = reply->head ? NULL : reply->request->fields[FIELD_RANGE];
    int count = 0;
    if (text != NULL && condition_allows_range(reply->request, &reply->version, reply->now))
        count = range_parse(ranges, text, reply->file.size);
    if (count < 0) {
        char extra[64];
        (void)snprintf(extra, sizeof extra, "Content-Range: bytes */%" PRIu64 "\r\n",
                       reply->file.size);
        say(reply, 416, extra);
    } else if (count == 0) {
        send_whole(reply);
    } else if (count == 1) {
        send_range(reply, ranges);
    } else {
        send_ranges(reply, ranges, count);
    }
}

static void answer_file(struct reply *reply)
{
    reply->version = version_of(&reply->file);
    int status = condition_check(reply->request, &reply->version, reply->now);
    if (status == 304) {
        head(reply, 304);
        head_version(reply);
        (void)output_text(reply->output, "\r\n", 2);
    } else if (status != 200) {
        say(reply, status, "");
    } else {
        send_file(reply);
    }
}

/* A folder was asked for without its slash. */
static void redirect(const struct reply *reply, const struct path *path)
{
    char line[TARGET_LIMIT * 3 + 64] = "Location: ";
    size_t length = strlen(line), room = sizeof line - length - 2;
    if (!path_folder_url(line + length, room, path))
        return say(reply, 414, "");
    memcpy(line + strlen(line), "\r\n", 3);
    say(reply, 301, line);
}

static void answer_path(struct reply *reply)
{
    struct path path;
    int status = path_parse(&path, reply->request->target);
    if (status == 200 && path.folder && !path_append(&path, INDEX))
        status = 414;
    if (status == 200)
        status = file_open(&reply->file, path.name);
    if (status == 200) {
        reply->type = mime_type(path.name);
        answer_file(reply);
        file_close(&reply->file);
    } else if (status == 301 && !path.folder) {
        redirect(reply, &path);
    } else {
        say(reply, status == 301 ? 404 : status, "");
    }
}

void respond(const struct request *request, struct output *output, bool closing)
{
    struct reply reply = {.request = request,
                          .output = output,
                          .head = request->parser.method == HTTP_HEAD,
                          .closing = closing,
                          .now = time(NULL)};
    if (request->parser.method == HTTP_GET || reply.head)
        answer_path(&reply);
    else
        say(&reply, 405, "Allow: GET, HEAD\r\n");
}

void respond_refusal(struct output *output, int status, bool head_only)
{
    const struct reply reply = {
        .output = output, .head = head_only, .closing = true, .now = time(NULL)};
    say(&reply, status, "");
}
