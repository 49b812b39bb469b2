package api

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
)

// csvHead names the columns. New ones are appended, none is moved.
const csvHead = "index,position,time,action,actor,namespace,key,oldValue,newValue,version,comment,request,transaction,correlationId,id,erased\r\n"

// csvLines writes RFC 4180 with a header line. An absent value is an empty cell,
// a value that is the empty text is a quoted one.
//
// Whoever may write a value decides what is in its cell, and an auditor may open
// the file with a spreadsheet. So a cell that such a program would take for a
// formula has an apostrophe in front, and so has one that begins with an
// apostrophe: taking away one leading apostrophe gives the text. Numbers are as
// they are.
func csvLines() lines {
	return lines{wire.MediaCSV + "; charset=utf-8; header=present", csvHead, func(dst []byte, e wire.AuditEvent) ([]byte, error) {
		return appendCSV(dst, e), nil
	}}
}

func appendCSV(dst []byte, e wire.AuditEvent) []byte {
	cell := func(text string) {
		if text != "" {
			dst = appendCell(dst, text)
		}
		dst = append(dst, ',')
	}
	value := func(text *string) {
		if text != nil {
			dst = appendCell(dst, *text)
		}
		dst = append(dst, ',')
	}
	dst = append(strconv.AppendUint(dst, e.Index, 10), ',')
	cell(e.Position)
	cell(e.Timestamp.UTC().Format(time.RFC3339Nano))
	cell(e.Action)
	cell(e.Actor)
	cell(e.Namespace)
	value(e.Key)
	value(e.OldValue)
	value(e.NewValue)
	if e.Version > 0 {
		dst = strconv.AppendUint(dst, e.Version, 10)
	}
	dst = append(dst, ',')
	cell(e.Comment)
	cell(e.Request)
	cell(e.Transaction)
	cell(e.CorrelationID)
	dst = append(appendCell(dst, e.ID), ',')
	if e.Erased {
		dst = append(dst, "true"...)
	}
	return append(dst, "\r\n"...)
}

func appendCell(dst []byte, text string) []byte {
	guard := ""
	if isFormula(text) {
		guard = "'"
	}
	if text != "" && !strings.ContainsAny(text, "\",\r\n") && text[0] != ' ' && text[len(text)-1] != ' ' {
		return append(append(dst, guard...), text...)
	}
	dst = append(append(dst, '"'), guard...)
	return append(append(dst, strings.ReplaceAll(text, `"`, `""`)...), '"')
}

// isFormula reports whether a cell needs an apostrophe (see "CSV Injection",
// OWASP).
func isFormula(text string) bool {
	if text == "" || strings.IndexByte("=+-@\t\r\n'", text[0]) < 0 {
		return false
	}
	return text[0] != '-' || !jsontext.Value(text).IsValid() // a number
}
