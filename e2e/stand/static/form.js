// The simulated booking form: a single-page application with the routes, messages and API objects of the real one.
;(function () {
  'use strict'
  var root = document.querySelector('app-root')
  var formId = +(location.hostname.match(/^[nbwyo](\d+)\./) || [])[1] || __DEFAULT_FORM__
  var state = { services: [], staff: null, datetime: '', activity: 0 }
  var settings = {}
  var company = 0
  var callbacks = { success: [], route: [] }
  var options = {}

  // --- storage that may be forbidden
  function keep(name, value) { try { localStorage.setItem(name, value) } catch (e) {} }
  function kept(name) { try { return localStorage.getItem(name) || '' } catch (e) { return '' } }

  // --- what the form itself takes from its address
  function readAddress() {
    var extra = {}, any = false
    new URLSearchParams(location.search).forEach(function (value, name) {
      var found = name.match(/^[ya]?extrafield_(.+)$/)
      if (found) { extra[found[1]] = value; any = true }
      if (name === 'gcid') keep('gcid', value.split('#')[0])
    })
    if (any) {
      var from = ''
      try { from = new URL(document.referrer).host } catch (e) {}
      extra.referrer = from
      keep('yReferrer', JSON.stringify(extra))
    }
  }

  // --- network, by XHR (or fetch, by switch)
  function call(method, url, body, done) {
    if (settings.transport === 'fetch') {
      fetch(url, { method: method, body: body && JSON.stringify(body), headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/plain, */*' } })
        .then(function (answer) { return answer.json().then(function (data) { done(answer.status, data) }) })
      return
    }
    var xhr = new XMLHttpRequest()
    xhr.open(method, url)
    xhr.setRequestHeader('Accept', 'application/json, text/plain, */*')
    xhr.setRequestHeader('Content-Type', 'application/json')
    xhr.onload = function () { done(xhr.status, JSON.parse(xhr.responseText)) }
    xhr.send(body ? JSON.stringify(body) : null)
  }

  // --- events: hooks, then the host page, then the page's own event
  function track(name, params) {
    var hooks = options.eventHooks || {}
    if (typeof hooks[name] === 'function') hooks[name](params)
    if (settings.messages) {
      try {
        var from = document.referrer
        if (window.top !== window && from && new URL(from).host !== location.host) window.top.postMessage({ action: name, params: params }, from)
      } catch (e) {}
    }
    if (settings.analytics) window.dispatchEvent(new CustomEvent('onSendAnalytics', { detail: { target: name, params: params } }))
  }

  function exposeApi() {
    var api = {
      onRecordSuccess: function (callback) { callbacks.success.push(callback) },
      onChangeRoute: function (callback) { callbacks.route.push(callback) },
      setAdditionalOptions: function (value) { options = value || {} },
      getUserData: function (callback) { callback(null) },
      getLastOrderInfo: function () { return kept('client_booking') },
    }
    settings.api_objects.forEach(function (name) { Object.defineProperty(window, name, { value: api, configurable: false }) })
  }

  // --- routes
  function path(step) { return (settings.legacy_routes ? '/company:' : '/company/') + company + step }
  function order() {
    var parts = ''
    if (state.staff !== null) parts += 'm' + state.staff
    if (state.services.length) parts += 's' + state.services.join(',')
    if (state.datetime) parts += 'd' + state.datetime.slice(2, 4) + state.datetime.slice(8, 10) + state.datetime.slice(5, 7) + state.datetime.slice(11, 13) + state.datetime.slice(14, 16)
    return parts
  }
  function go(step, replace) {
    var search = new URLSearchParams(location.search)
    search.set('o', order())
    var url = path(step) + '?' + search.toString()
    history[replace ? 'replaceState' : 'pushState']({}, '', url)
    callbacks.route.forEach(function (callback) { callback(location.href, url) })
    render()
  }
  window.addEventListener('popstate', render)

  function el(tag, attributes, children) {
    var node = document.createElement(tag)
    Object.keys(attributes || {}).forEach(function (name) {
      if (name === 'onclick') node.onclick = attributes[name]
      else node.setAttribute(name, attributes[name])
    })
    ;[].concat(children || []).forEach(function (child) { node.append(child) })
    return node
  }
  function screen(nodes) {
    root.replaceChildren(el('header', {}, [el('div', { class: 'logo' }, 'Л'), el('div', {}, [el('h1', {}, settings.title), el('div', { class: 'soft' }, 'Онлайн-запись')])]))
    nodes.forEach(function (node) { root.append(node) })
  }
  function money(value) { return value.toLocaleString('ru-RU') + ' ₽' }

  // --- steps
  var services = [], masters = []
  function menu() {
    screen([
      el('h2', {}, 'С чего начнём?'),
      el('button', { class: 'item', 'data-locator': 'menu_services', onclick: function () { go('/personal/select-services') } }, [el('b', {}, 'Выбрать услуги'), '→']),
      el('button', { class: 'item', 'data-locator': 'menu_activities', onclick: function () { go('/activity/select') } }, [el('b', {}, 'Групповые события'), '→']),
    ])
  }
  function chooseServices() {
    var next = el('button', { class: 'go', 'data-locator': 'services_next', onclick: function () {
      track('service_selected', { services: state.services.slice(), companyId: company }); go('/personal/select-master') } }, 'Дальше')
    next.disabled = !state.services.length
    screen([el('h2', {}, 'Выберите услуги')].concat(services.map(function (item) {
      return el('button', { class: 'item' + (state.services.indexOf(item.id) < 0 ? '' : ' on'), 'data-locator': 'service_item_' + item.id, onclick: function () {
        var at = state.services.indexOf(item.id)
        if (at < 0) state.services.push(item.id); else state.services.splice(at, 1)
        render()
      } }, [el('b', {}, item.title), el('span', { 'data-locator': 'service_price' }, money(item.price_min))])
    })).concat([next]))
  }
  function chooseMaster() {
    screen([el('h2', {}, 'Выберите мастера')].concat([{ id: 0, name: 'Любой мастер', specialization: 'ближайшее время' }].concat(masters).map(function (item) {
      return el('button', { class: 'item', 'data-locator': 'master_' + item.id, onclick: function () {
        state.staff = item.id; track('master_selected', { staff_id: item.id, companyId: company }); go('/personal/select-time') } },
        [el('b', { 'data-locator': 'master_name' }, item.name), el('span', { class: 'soft' }, item.specialization)])
    })))
  }
  function chooseTime(day) {
    call('GET', '/api/v1/book_dates/' + company, null, function (_, dates) {
      day = day || dates.booking_dates[0]
      call('GET', '/api/v1/book_times/' + company + '/' + (state.staff || 0) + '/' + day, null, function (_, times) {
        screen([el('h2', {}, 'Выберите время'),
          el('div', { class: 'days' }, dates.booking_dates.map(function (one) {
            return el('button', { class: 'day' + (one === day ? ' on' : ''), onclick: function () { track('date_selected', { date: one }); chooseTime(one) } },
              new Date(one).toLocaleDateString('ru-RU', { day: 'numeric', month: 'short', weekday: 'short' })) })),
          el('div', { class: 'times' }, times.map(function (one) {
            return el('button', { class: 'time-interval', 'data-time': one.time, onclick: function () {
              state.datetime = one.datetime; track('time_selected', { datetime: one.datetime, companyId: company }); go('/create-record/record') } }, one.time) }))])
      })
    })
  }
  function field(name, title, type) {
    var input = el('input', { name: name, type: type, 'data-locator': 'input_' + name, autocomplete: 'off' })
    return el('label', {}, [el('span', { class: 'form-input__title' }, title), input])
  }
  function contacts() {
    var error = el('div', { class: 'error', role: 'alert' }); error.hidden = true
    var button = el('button', { class: 'go', type: 'submit', 'data-locator': 'book' }, 'Записаться')
    var form = el('form', {}, [error, field('fullname', 'Имя', 'text'), field('phone', 'Телефон', 'tel'), field('email', 'Почта (необязательно)', 'text'), field('comment', 'Комментарий', 'text'), button])
    form.onsubmit = function (event) {
      event.preventDefault()
      button.disabled = true
      var values = Object.fromEntries(new FormData(form))
      track('send_contacts', { companyId: company })
      book(values, function (message) { error.textContent = message; error.hidden = false; button.disabled = false })
    }
    screen([el('h2', {}, 'Ваши контакты'), form, el('p', { class: 'soft' }, 'Нажимая «Записаться», вы соглашаетесь на обработку персональных данных.')])
  }
  function book(values, refuse) {
    var mobile = /Android|iPhone|iPad|Mobile/i.test(navigator.userAgent)
    var body = { fullname: values.fullname, surname: '', patronymic: '', phone: (values.phone || '').replace(/\D/g, '').replace(/^8(?=\d{10}$)/, '7'), email: values.email || '', comment: values.comment || '',
      custom_fields: {}, bookform_id: formId, isMobile: mobile, notify_by_sms: 1, referrer: kept('yReferrer') || document.referrer,
      redirect_url: location.origin + '/company/' + company + '/success-order/{recordId}/{recordHash}' }
    if (state.activity) {
      call('POST', '/api/v1/activity/' + company + '/' + state.activity + '/book', body, function (status, answer) {
        if (status >= 300) return refuse((answer.errors || answer.meta || {}).message || 'Не удалось записаться')
        track('group_record_created', { appointments: [{ services: [], staff_id: null, datetime: null, id: 0 }], companyId: company, companyName: settings.title, isMobile: mobile })
        succeed(Object.assign({}, body, { id: 0, record_id: answer.id, record_hash: answer.hash }))
      })
      return
    }
    body.appointments = [{ services: state.services.slice(), staff_id: state.staff || 0, datetime: state.datetime, chargeStatus: '', custom_fields: {}, id: 0 }]
    call('POST', '/api/v1/book_record/' + company, body, function (status, answer) {
      if (status >= 300) return refuse((answer.errors || answer.meta || {}).message || 'Не удалось записаться')
      var first = (Array.isArray(answer) ? answer : answer.data)[0]
      track('booked', { appointments: body.appointments, code: '', companyId: company, companyName: settings.title, isMobile: mobile, event_id: '' })
      succeed(Object.assign({}, body, { record_id: first.record_id, record_hash: first.record_hash }))
    })
  }
  function succeed(request) {
    callbacks.success.forEach(function (callback) { callback([request]) })
    if (settings.array_message && window.parent !== window) {
      window.parent.postMessage([{ services: [], staff: {}, id: 0, record_id: request.record_id, record_hash: request.record_hash, company: { id: company, title: settings.title } }], '*')
    }
    keep('client_booking', JSON.stringify({ order: request.record_id }))
    go('/success-order/' + request.record_id + '/' + request.record_hash, true)
  }
  function success() {
    screen([el('div', { class: 'ok', 'data-locator': 'success_icon' }, '✓'), el('h2', { class: 'center', 'data-locator': 'created_booking_page_title' }, 'Вы записаны!'),
      el('p', { class: 'soft center' }, 'Ждём вас в студии. Если планы изменятся — просто позвоните нам.')])
  }
  function activities() {
    screen([el('h2', {}, 'Групповые события'), el('button', { class: 'item', 'data-locator': 'activity_9001', onclick: function () {
      state.activity = 9001; track('group_activity_selected', { activity_id: 9001 }); go('/create-record/record') } }, [el('b', {}, 'Мастер-класс «Укладка за 15 минут»'), '→'])])
  }

  function render() {
    var at = location.pathname
    if (/success-order/.test(at)) success()
    else if (/create-record/.test(at)) contacts()
    else if (/select-services/.test(at)) chooseServices()
    else if (/select-master/.test(at)) chooseMaster()
    else if (/select-time/.test(at)) chooseTime()
    else if (/activity/.test(at)) activities()
    else menu()
  }

  // --- start: settings, injection, then the router
  call('GET', '/api/v1/bookform/' + formId + '/', null, function (status, form) {
    settings = form.stand
    settings.title = form.title
    company = form.company_id
    exposeApi()
    if (form.injection && form.injection.content) document.head.appendChild(document.createRange().createContextualFragment(form.injection.content))
    readAddress()
    call('GET', '/api/v1/book_services/' + company, null, function (_, one) {
      services = one.services
      call('GET', '/api/v1/book_staff/' + company, null, function (_, two) {
        masters = two
        track('widget_loaded', { companyId: company })
        if (location.pathname === '/') go('/personal/menu', true)
        else render()
      })
    })
  })
  window.addEventListener('beforeunload', function () { track('widget_closed', {}) })
})()
