/* SPDX-License-Identifier: Apache-2.0 */
#include "view/painter.h"

#include <math.h>
#include <stdio.h>

enum { TEXT_MAX = 1024 };

/* ---- cells ---- */

static void put(struct painter *painter, enum screen_style style, char character)
{
    struct screen *screen = painter->screen;
    unsigned column = painter->column++;

    if (screen->cells == NULL || column >= screen->width || painter->line < painter->first ||
        painter->line - painter->first >= painter->rows)
        return;
    unsigned row = painter->top + painter->line - painter->first;
    screen->cells[(size_t)row * screen->width + column] = (struct cell_of_screen){
        .character = character >= ' ' && character <= '~' ? character : '?',
        .style = (unsigned char)style,
    };
}

void painter_text(struct painter *painter, enum screen_style style, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (const char *c = text; *c != '\0'; c++)
        put(painter, style, *c);
}

void painter_field(struct painter *painter, enum screen_style style, unsigned width, bool to_right,
                   const char *text)
{
    size_t bytes = strnlen(text, width);

    for (size_t i = bytes; to_right && i < width; i++)
        put(painter, style, ' ');
    for (size_t i = 0; i < bytes; i++)
        put(painter, style, text[i]);
    for (size_t i = bytes; !to_right && i < width; i++)
        put(painter, style, ' ');
}

void painter_end_line(struct painter *painter)
{
    painter->line++;
    painter->column = 0;
}

/* How many characters of text go into a line of `room`: up to a space, if there is one. */
static size_t fit(const char *text, size_t room)
{
    size_t bytes = strnlen(text, room + 1);

    if (bytes <= room)
        return bytes;
    for (size_t i = room; i > 0; i--) {
        if (text[i] == ' ')
            return i;
    }
    return room;
}

void painter_wrapped(struct painter *painter, enum screen_style style, const char *text)
{
    enum { INDENT = 2 };
    size_t width = painter->screen->width;

    for (size_t indent = 0; *text != '\0'; indent = width > 4 * INDENT ? INDENT : 0) {
        size_t bytes = fit(text, width - indent);
        painter_text(painter, style, "%*s%.*s", (int)indent, "", (int)bytes, text);
        painter_end_line(painter);
        text += bytes;
        text += strspn(text, " ");
    }
}

/* ---- numbers ---- */

static const char *scaled_text(double number, double base, char ret_text[NUMBER_TEXT])
{
    static const char units[] = { ' ', 'k', 'M', 'G', 'T', 'P', 'E' };
    size_t unit = 0;

    while (number >= base && unit + 1 < sizeof(units)) {
        number /= base;
        unit++;
    }
    if (number >= 99.95)
        (void)snprintf(ret_text, NUMBER_TEXT, "%.0f%c", number, units[unit]);
    else
        (void)snprintf(ret_text, NUMBER_TEXT, "%.1f%c", number, units[unit]);
    return ret_text;
}

const char *number_text(double number, char ret_text[NUMBER_TEXT])
{
    if (isnan(number))
        (void)snprintf(ret_text, NUMBER_TEXT, "-");
    else if (number < 9999.5)
        (void)snprintf(ret_text, NUMBER_TEXT, "%.0f", number);
    else
        (void)scaled_text(number, 1000, ret_text);
    return ret_text;
}

const char *rate_text(double rate, char ret_text[NUMBER_TEXT])
{
    if (rate > 0 && rate < 9.95) /* NAN is neither */
        (void)snprintf(ret_text, NUMBER_TEXT, "%.1f", rate);
    else
        (void)number_text(rate, ret_text);
    return ret_text;
}

const char *bytes_text(double bytes, char ret_text[NUMBER_TEXT])
{
    if (isnan(bytes) || bytes < 1023.5)
        return number_text(bytes, ret_text);
    return scaled_text(bytes, 1024, ret_text);
}

const char *bar_text(double share, char ret_text[BAR_TEXT])
{
    enum { CELLS = 6 };
    char bar[CELLS + 1];

    if (isnan(share)) {
        (void)snprintf(ret_text, BAR_TEXT, "%13s", "-");
        return ret_text;
    }
    double bounded = share < 0 ? 0 : share > 1 ? 1 : share;
    int full = (int)(bounded * CELLS + 0.5);
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < full ? '#' : ' ';
    bar[CELLS] = '\0';
    (void)snprintf(ret_text, BAR_TEXT, "[%s] %3d%%", bar, (int)(bounded * 100 + 0.5));
    return ret_text;
}
