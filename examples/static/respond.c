/*
 * See respond.h.
 */
#include "examples/static/respond.h"

#include "examples/static/condition.h"
#include "examples/static/http_date.h"
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
    struct file *file;
};

static const char *status_of(int status)
{
    switch (status) {
    case 200:
        return "200 OK";
    case 206:
        return "206 Partial Content";
    case 301:
        return "301 Moved Permanently";
    case 304:
        return "304 Not Modified";
    case 400:
        return "400 Bad Request";
    case 403:
        return "403 Forbidden";
    case 404:
        return "404 Not Found";
    case 405:
        return "405 Method Not Allowed";
    case 408:
        return "408 Request Timeout";
    case 412:
        return "412 Precondition Failed";
    case 413:
        return "413 Content Too Large";
    case 414:
        return "414 URI Too Long";
    case 416:
        return "416 Range Not Satisfiable";
    case 417:
        return "417 Expectation Failed";
    case 431:
        return "431 Request Header Fields Too Large";
    case 501:
        return "501 Not Implemented";
    case 503:
        return "503 Service Unavailable";
    case 505:
        return "505 HTTP Version Not Supported";
    default:
        return "500 Internal Server Error";
    }
}

__attribute__((format(printf, 2, 3))) static void print(struct output *output, const char *format,
                                                        ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof line)
        (void)output_text(output, line, (size_t)length);
}

static void text(const struct reply *reply, const char *line)
{
    (void)output_text(reply->output, line, strlen(line));
}

/* The line of the date, which is the same for a second. */
static const char *date_line(int64_t now)
{
    static int64_t known = -1;
    static char line[HTTP_DATE_BYTES + 16];
    if (known != now) {
        char date[HTTP_DATE_BYTES];
        http_date_format(date, now);
        (void)snprintf(line, sizeof line, "\r\nDate: %s\r\n", date);
        known = now;
    }
    return line;
}

/* The status line and what every answer has. The empty line is still to come. */
static void head(const struct reply *reply, const char *status)
{
    text(reply, "HTTP/1.1 ");
    text(reply, status);
    text(reply, date_line(reply->now));
    if (reply->closing)
        text(reply, "Connection: close\r\n");
    else if (reply->request->parser.http_minor == 0)
        text(reply, "Connection: keep-alive\r\n");
}

/* The same for a file, with its version and type. */
static void head_file(const struct reply *reply, const char *status, const char *type)
{
    head(reply, status);
    text(reply, reply->file->about);
    text(reply, "Content-Type: ");
    text(reply, type);
    text(reply, "\r\n");
}

/* An answer that consists of its status. extra: further lines of the head. */
static void say(const struct reply *reply, int status, const char *extra)
{
    const char *line = status_of(status), *reason = line + 4;
    head(reply, line);
    text(reply, extra);
    print(reply->output, "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
          strlen(reason) + 1);
    if (!reply->head)
        print(reply->output, "%s\n", reason);
}

static void send_whole(const struct reply *reply)
{
    head_file(reply, status_of(200), reply->file->type);
    text(reply, reply->file->length);
    if (!reply->head)
        (void)output_file(reply->output, reply->file, 0, reply->file->size);
}

static void send_range(const struct reply *reply, const struct range *range)
{
    head_file(reply, status_of(206), reply->file->type);
    print(reply->output,
          "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\nContent-Length: %" PRIu64
          "\r\n\r\n",
          range->first, range->first + range->length - 1, reply->file->size, range->length);
    (void)output_file(reply->output, reply->file, range->first, range->length);
}

/* What stands before a part. */
static int part_head(char part[PART_BYTES], const struct reply *reply, uint64_t boundary,
                     const struct range *range)
{
    return snprintf(part, PART_BYTES,
                    "\r\n--" BOUNDARY_FORMAT "\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64
                    "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                    boundary, reply->file->type, range->first, range->first + range->length - 1,
                    reply->file->size);
}

static void send_ranges(const struct reply *reply, const struct range *ranges, int count)
{
    char part[PART_BYTES], type[PART_BYTES];
    uint64_t boundary = (uint64_t)aio_time_now() * UINT64_C(0x9e3779b97f4a7c15);
    int end = snprintf(part, sizeof part, "\r\n--" BOUNDARY_FORMAT "--\r\n", boundary);
    uint64_t total = (uint64_t)end;
    for (int i = 0; i < count; i++)
        total += (uint64_t)part_head(part, reply, boundary, &ranges[i]) + ranges[i].length;
    (void)snprintf(type, sizeof type, "multipart/byteranges; boundary=" BOUNDARY_FORMAT, boundary);
    head_file(reply, status_of(206), type);
    print(reply->output, "Content-Length: %" PRIu64 "\r\n\r\n", total);
    for (int i = 0; i < count; i++) {
        int length = part_head(part, reply, boundary, &ranges[i]);
        (void)output_text(reply->output, part, (size_t)length);
        (void)output_file(reply->output, reply->file, ranges[i].first, ranges[i].length);
    }
    print(reply->output, "\r\n--" BOUNDARY_FORMAT "--\r\n", boundary);
}

/* A range is asked for only with GET. */
static void send_file(const struct reply *reply)
{
    struct range ranges[RANGES_MAX];
    const char *wanted = reply->head ? NULL : reply->request->fields[FIELD_RANGE];
    int count = 0;
    if (wanted != NULL && condition_allows_range(reply->request, reply->file, reply->now))
        count = range_parse(ranges, wanted, reply->file->size);
    if (count < 0) {
        char extra[64];
        (void)snprintf(extra, sizeof extra, "Content-Range: bytes */%" PRIu64 "\r\n",
                       reply->file->size);
        say(reply, 416, extra);
    } else if (count == 0) {
        send_whole(reply);
    } else if (count == 1) {
        send_range(reply, ranges);
    } else {
        send_ranges(reply, ranges, count);
    }
}

static void answer_file(const struct reply *reply)
{
    int status = condition_check(reply->request, reply->file, reply->now);
    if (status == 304) {
        head(reply, status_of(304));
        text(reply, reply->file->about);
        text(reply, "\r\n");
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
        answer_file(reply);
        file_close(reply->file);
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
